"""Tables by task against values known beforehand, and the separation of editing areas as a number."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.claims.judge import Verdict
from analysis.claims.ledger import ledger
from analysis.claims.statement import Ledger, read_claims
from analysis.tasks.areas import Group, further_apart, panels, separation
from analysis.tasks.by_task import HELD_OUT, SEEN, groups, successes, with_tasks
from analysis.tasks.main_table import beside, read_published, to_latex, to_markdown
from analysis.tasks.verdict import compare_all
from tests.study_runs import inputs_of
from wise.errors import DataError

TASKS = ("recent", "counterfact", "convsent", "questions")


def scores(better: float) -> pd.DataFrame:
    """Two editors on 80 edits with four seeds; the first one is right so much more often."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(4):
        for place in range(80):
            task, record = TASKS[place % 4], f"r{seed}-{place}"
            for editor, share in (("instructedit", 0.2 + better), ("mend", 0.2)):
                metric = "es" if task == "convsent" else "rel_exact"
                value = rng.random() if metric == "es" else float(rng.random() < share)
                rows.append(("d", "m", editor, seed, 1, place, place, 0, record, metric, value, task))
    columns = ["dataset", "model", "editor", "seed", "T", "chunk", "edit", "age", "record", "metric", "value", "task"]
    return pd.DataFrame(rows, columns=columns)


def test_success_is_exact_for_facts_and_es_for_opinions():
    kept = successes(pd.concat([scores(0.5), scores(0.5).assign(metric="rel")]))
    assert set(kept.loc[kept["task"] == "convsent", "metric"]) == {"es"}
    assert set(kept.loc[kept["task"] != "convsent", "metric"]) == {"rel_exact"}
    assert [name for name, _ in groups(kept)] == [SEEN, HELD_OUT]


def test_the_verdict_finds_a_difference_that_is_there_and_none_that_is_not():
    found = compare_all(scores(0.6)).set_index(["tasks", "metric"])
    assert found.loc[(HELD_OUT, "success"), "p_holm"] < 0.05
    assert found.loc[(HELD_OUT, "success"), "difference"] == pytest.approx(0.6, abs=0.2)
    none = compare_all(scores(0.0)).set_index(["tasks", "metric"])
    assert none.loc[(HELD_OUT, "success"), "p_holm"] > 0.05


def test_printed_numbers_stand_beside_single_edits_of_the_same_task_and_metric():
    row = {"dataset": "d", "model": "m", "editor": "instructedit", "mean": 0.5, "low": 0.4, "high": 0.6}
    row |= {"seeds": 1, "edits": 10, "covers": "records"}
    cells = pd.DataFrame([
        row | {"task": "questions", "T": 1, "metric": "rel_exact"},
        row | {"task": "questions", "T": 10, "metric": "rel_exact"},
        row | {"task": "convsent", "T": 1, "metric": "es"},
        row | {"task": "convsent", "T": 1, "metric": "rel_exact"},
        row | {"task": "convsent", "T": 1, "metric": "fluency", "mean": 412.6, "low": 400.0, "high": 425.0},
    ])  # fmt: skip
    found = beside(cells, read_published())
    printed = found["GPT2-XL"]
    assert printed[0] == 0.8283 and np.isnan(printed[1]) and printed[2] == 0.6543 and np.isnan(printed[3])
    assert "| 0.50 [0.40, 0.60] | 0.65 / – | 413 [400, 425] | 618 / – |" in to_markdown(found)
    assert "ConvSent & Fluency & 413 (618)" in to_latex(found)


def test_the_published_cells_give_the_published_gain():
    """Mean over the four GPT2-XL rows of InstructEdit minus MEND: the 14.86 points of the abstract."""
    table = read_published()
    rows = table[(table["model"] == "GPT2-XL") & (table["metric"] == "reliability")]
    wide = rows.pivot(index="task", columns="editor", values="value")
    assert (wide["instructedit"] - wide["mend"]).mean() * 100 == pytest.approx(14.86, abs=0.005)


def test_separation_is_high_for_tasks_that_lie_apart_and_zero_for_mixed_ones():
    rng = np.random.default_rng(0)
    tasks = np.repeat(["recent", "questions"], 25)
    for distance, least, most in ((8.0, 0.6, 1.0), (0.0, -0.05, 0.05)):
        vectors = rng.normal(size=(50, 6)) + distance * (tasks == "recent")[:, None] * np.eye(6)[0]
        vectors -= distance * (tasks != "recent")[:, None] * np.eye(6)[0]
        mean, low, high = separation(Group("g", tasks, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)))
        assert least <= mean <= most and low <= mean <= high


def test_a_difference_of_separations_is_of_the_same_edits():
    rng = np.random.default_rng(0)
    tasks = np.repeat(["recent", "questions"], 25)
    vectors = rng.normal(size=(50, 6))
    apart = vectors + np.where(tasks == "recent", 8.0, -8.0)[:, None] * np.eye(6)[0]
    mixed, set_apart = (Group(n, tasks, v / np.linalg.norm(v, axis=1, keepdims=True))
                        for n, v in (("mixed", vectors), ("apart", apart)))  # fmt: skip
    mean, low, high = further_apart(set_apart, mixed)
    assert 0 < low < mean < high and mean == pytest.approx(separation(set_apart)[0] - separation(mixed)[0])
    assert further_apart(mixed, mixed) == (0.0, 0.0, 0.0)
    with pytest.raises(DataError, match="not of the same edits"):
        further_apart(mixed, Group("other", tasks[::-1], vectors))


def test_claims_about_tasks_are_judged_on_the_edits_of_these_tasks(runs):
    """No run here has opinions, so that their success is nowhere; of other claims, nothing was made."""
    inputs = replace(inputs_of("tasks", runs), area_paths=runs["areas"]["areas"], levels={"factlm": "embedded"},
                     place=("factworld-qa", "factlm"))  # fmt: skip
    claims = read_claims()
    chosen = [claim for claim in claims.claims if claim.id.startswith(("instructedit-", "mend-"))]
    found = ledger(Ledger(matters=claims.matters, claims=chosen), inputs).set_index("claim")
    scores = with_tasks(inputs.scores(), inputs)
    rows = successes(scores[(scores["T"] == 1) & (scores["seed"].isin((0, 1)))])
    for claim, tasks in (("instructedit-seen", TASKS[:3]), ("instructedit-held-out", TASKS[3:])):
        own = rows[rows["task"].isin(tasks)].pivot_table(index=["seed", "record"], columns="editor", values="value")
        difference = (own["instructedit"] - own["mend"]).groupby("seed").mean().mean()
        assert found.loc[claim, "effect"] == pytest.approx(difference) and found.loc[claim, "T"] == 1
        assert found.loc[claim, "edits"] == own.index.get_level_values("record").nunique()
    assert found.loc["instructedit-sequence", "T"] == 10
    areas = found.loc["instructedit-areas"]
    assert areas["verdict"] == Verdict.HOLDS and areas["effect"] > 0.3
    assert found.loc["mend-one-task", "reason"] == "made by snakemake transfer"
    nothing = ledger(Ledger(matters=claims.matters, claims=chosen), replace(inputs, record_paths=(), area_paths=()))
    assert set(nothing["verdict"]) == {str(Verdict.UNTESTED)}


def test_panels_compare_networks_by_what_they_were_trained_on(runs):
    titles = [panel.title for panel in panels(inputs_of("areas", runs))]
    assert titles == ["InstructEdit and MEND", "MEND on one task or three", "InstructEdit by training"]


def test_an_edit_that_no_file_of_records_holds_is_named(runs, tmp_path):
    from analysis.tasks.by_task import scores_by_task

    inputs = inputs_of("tasks", runs)
    object.__setattr__(inputs, "record_paths", [tmp_path / "factworld-qa/edits.jsonl"])
    inputs.record_paths[0].parent.mkdir()
    inputs.record_paths[0].write_text('{"id": "other", "prompt": "p", "target": "t"}\n')
    with pytest.raises(DataError, match="is not among --records"):
        scores_by_task(inputs)
