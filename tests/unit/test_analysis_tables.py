"""What editors cost, and measured scores beside published ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import cost_table, dataset_table, methods_table, published_table
from analysis.__main__ import main
from analysis.inputs import Inputs
from analysis.published_table import PUBLISHED, beside
from analysis.style import STYLES
from analysis.text import booktabs
from tests.study_runs import inputs_of
from wise.errors import DataError, NothingToShow
from wise.files import write_json

ROWS = {"rel": 0.75, "gen": 0.67, "loc_far": 0.90, "avg": 0.773}


def _cells(dataset="zsre", model="mistral-7b", editors=None):
    """Cells as `summarise` gives them, by editor the amount added to `ROWS`."""
    rows = [
        {"dataset": dataset, "model": model, "editor": editor, "T": 1000, "metric": metric, "mean": value + more}
        for editor, more in (editors or {"wise-merge": 0.0, "grace": -0.1, "ft-l": -0.2}).items()
        for metric, value in ROWS.items()
    ]
    return pd.DataFrame([*rows, *({**row, "T": 999} for row in rows)])


@pytest.fixture(scope="module")
def published():
    return pd.read_csv(PUBLISHED, keep_default_na=False)


def test_published_cells_are_the_papers(published):
    assert set(published["editor"]) <= set(STYLES) and published["value"].between(0, 1e5).all()
    assert not published.duplicated(["dataset", "model", "editor", "T", "metric"]).any()
    cells = published.set_index(["dataset", "model", "editor", "T", "metric"])["value"]
    assert cells["zsre", "Mistral-7B", "wise-merge", 1000, "rel"] == 0.70
    assert cells["temporal", "GPT-J-6B", "wise-merge", 75, "ood"] == 0.37
    assert cells["hallucination", "LLaMA-2-7B", "grace", 100, "ppl"] == 9.67
    for _, rows in published[published["dataset"] == "zsre"].groupby(["model", "editor", "T"]):
        parts = rows.set_index("metric")["value"]
        assert parts["avg"] == pytest.approx(parts[["rel", "gen", "loc"]].mean(), abs=0.0101)


def test_only_the_same_t_is_compared_and_orders_are_ranked(published):
    found = beside(_cells(model="factlm"), published)
    assert set(found["T"]) == {1000} and set(found["published_model"]) == {"LLaMA-2-7B", "Mistral-7B"}
    ranked = found[found["published_model"] == "Mistral-7B"].dropna(subset="rank").set_index("editor")
    assert ranked["rank"].to_dict() == {"wise-merge": 1, "grace": 2, "ft-l": 3}
    theirs = published.query("dataset == 'zsre' and model == 'Mistral-7B' and T == 1000 and metric == 'avg'")
    theirs = theirs.set_index("editor")["value"].loc[list(ranked.index)]
    assert ranked["published_rank"].to_dict() == theirs.rank(ascending=False).to_dict()
    assert found["within"].isna().all()
    upside_down = beside(_cells(editors={"wise-merge": -0.2, "grace": -0.1, "ft-l": 0.0}), published)
    assert (upside_down["tau"].dropna() == -ranked["tau"].iloc[0]).any()


def test_the_papers_own_model_and_data_are_held_against_its_numbers(published):
    found = beside(_cells(), published).set_index(["published_model", "editor", "metric"])
    assert found.loc[("LLaMA-2-7B", "wise-merge"), "within"].isna().all()
    rows = found.loc[("Mistral-7B", "wise-merge")]
    off = (rows["measured"] - rows["published"]).abs().round(6)
    assert rows["within"].tolist() == (off <= 0.03).tolist() and set(rows["within"]) == {True, False}
    text = published_table.to_markdown(found.reset_index())
    assert f"**{rows.loc['gen', 'published']:.2f}**" in text and "Kendall's tau" in text
    header = next(line for line in text.splitlines() if line.startswith("| T | Editor"))
    assert header.startswith("| T | Editor | Rel | Gen | Loc | Avg | LLaMA-2-7B Rel")


def test_nothing_in_common_with_the_paper_is_said(published):
    found = beside(_cells(editors={"memoir": 0.0}), published)
    assert found.empty and list(found.columns) == published_table.COLUMNS
    assert "no editor and T in common" in published_table.to_markdown(found)


def _record(editor, seed, seconds, failed=()):
    curve = [{"edit": i, "seconds": s, "iterations": 3, "loss": 0.1} for i, s in enumerate(seconds)]
    curve += [{"edit": 99, "seconds": s, "iterations": 0, "loss": None, "failed": True} for s in failed]
    cost = {"iterations_mean": 3.0, "probe_seconds_total": 5.0 + seed, "extra_parameters": 1000,
            "extra_parameters_ratio": 0.025, "peak_memory_bytes": None if seed else 2**30}  # fmt: skip
    return {"dataset": "qa", "model": "m", "editor": editor, "seed": seed, "curve": curve, "cost": cost,
            "hardware": {"cpu": "a CPU", "cores": 2}}  # fmt: skip


def test_cost_is_a_median_over_seeds_without_failed_edits(tmp_path):
    records = [_record("wise-merge", seed, [1.0, 1.0 + 2 * seed], failed=[500.0]) for seed in (0, 1, 2)]
    records.append(_record("ft-l", 1, [], failed=[1.0]))
    rows = cost_table.by_editor(records)
    assert rows["editor"].tolist() == ["ft-l", "wise-merge"]
    unknown, row = rows.iloc[0], rows.iloc[1]
    assert row["edit_seconds"] == 2.0 and row["probe_seconds"] == 6.0 and row["seeds"] == 3
    assert row["peak_memory_bytes"] == 2**30 and np.isnan(unknown["peak_memory_bytes"])
    paths = [tmp_path / f"{index}.json" for index in range(len(records))]
    for path, record in zip(paths, records, strict=True):
        write_json(path, record)
    out = [tmp_path / "cost.csv", tmp_path / "cost.md"]
    assert main(["cost_table", "--runs", *map(str, paths), "--out", *map(str, out)]) == 0
    text = out[1].read_text()
    assert "| WISE-Merge | 2.000 | 3.0 | 1,000 | 2.50% | 1024 | 6.0 | 3 |" in text and "cpu a CPU, cores 2" in text
    assert "| FT-L | – | 3.0 | 1,000 | 2.50% | – |" in text
    with pytest.raises(DataError, match="lacks 'cost.peak_memory_bytes'"):
        del records[0]["cost"]["peak_memory_bytes"]
        cost_table.by_editor(records)


def test_datasets_are_what_the_unedited_model_answers(runs):
    found = dataset_table.table(inputs_of("dataset_table", runs)).frame.set_index("dataset").loc["factworld-qa"]
    asked = pd.concat(map(pd.read_parquet, runs["main"]["transcripts"][:2]))  # the unedited model, two seeds
    edits = asked[asked["kind"] == "edit"].drop_duplicates("record")
    right = [np.mean(p == t) for p, t in zip(edits["predicted_tokens"], edits["target_tokens"], strict=True)]
    assert found["edits"] == len(edits) and found["rel"] == pytest.approx(np.mean(right))
    assert found["tokens_most"] == edits["target_tokens"].map(len).max() and found["ood"] == 0
    edited = Inputs(transcript_paths=runs["main"]["transcripts"][-2:], run_paths=runs["main"]["runs"][-2:])
    with pytest.raises(NothingToShow, match="unedited model's answers"):
        dataset_table.table(edited)


def test_methods_are_described_by_the_table_of_editors(tmp_path):
    for index, editor in enumerate(("wise-merge", "grace", "unregistered")):
        write_json(tmp_path / f"{index}.json", _record(editor, index, [1.0]))
    made = methods_table.table(Inputs(run_paths=[tmp_path / f"{index}.json" for index in range(3)]))
    rows = made.frame.set_index("editor")
    assert rows.loc["GRACE", "memory"] == "codebook of keys and values" and rows.loc["WISE-Merge", "needs"] == "nothing"
    assert rows.loc["unregistered", "changes"] == "not described"
    assert "2.50%" in made.markdown and r"\toprule" in made.latex


def test_tables_without_a_latex_form_of_their_own_take_it_from_their_markdown():
    made = booktabs("## A_b\n\nSome `x_y`.\n\n| A | B |\n| --- | ---: |\n| **.5** [a, b] | 5% |\n| [a](b) | x |\n")
    assert r"\caption{A\_b Some \texttt{x\_y}.}" in made and r"\begin{tabular}{lr}" in made
    assert r"\textbf{.5} {[}a, b] & 5\% \\" in made and "a & x" in made
    assert made.count(r"\begin{") == made.count(r"\end{") == 2
