"""Tables have the columns and layout that they promise, and are the same each time."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from analysis import (
    endings,
    main_table,
    paired_table,
    perplexity_table,
    retention,
    router,
    routing,
)
from analysis.__main__ import main
from analysis.inputs import Inputs
from analysis.style import STYLES, editor_style, in_order
from analysis.summary import CELL, COLUMNS, at_largest_t, summarise
from analysis.text import escape, number, with_interval
from tests.study_runs import GRID, arguments
from wise.errors import DataError
from wise.evaluate import protocol
from wise.files import sha256

TABLES = {
    "main_table": (".csv", ".md", ".tex"), "paired_table": (".csv", ".md"), "perplexity_table": (".csv", ".md"),
    "layer": (".csv", ".md"), "shards": (".csv", ".md"), "router": (".csv", ".md"), "overhead": (".csv", ".md"),
    "endings": (".csv", ".md"), "generation": (".csv", ".md", ".tex"), "switches": (".csv", ".md", ".tex"),
    "grace_radius": (".csv", ".md"), "published_table": (".csv", ".md"),
    "claims": (".csv", ".md", ".tex"), "protocols": (".csv", ".md"),
    "dataset_table": (".csv", ".md"),
    "tuning": (".csv", ".md"), "tuning_trials": (".csv",),
}  # fmt: skip


@pytest.fixture(scope="module")
def scores(runs):
    return Inputs(score_paths=runs["main"]["scores"]).scores()


def test_figures_and_tables_are_the_same_each_time_and_sealed(runs, tmp_path):
    for suffix in (".png", ".pdf", ".csv", ".md"):
        first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
        for file in (first, second):
            assert main(["layer", *arguments("layer", runs), "--out", str(file)]) == 0
        assert first.read_bytes() == second.read_bytes()
        assert sha256(first) in (tmp_path / f".first{suffix}.sha256").read_text()


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_written(name, runs, tmp_path):
    files = [tmp_path / f"{name}{suffix}" for suffix in TABLES[name]]
    assert main([name, *arguments(name, runs), "--out", *map(str, files)]) == 0
    assert all(file.stat().st_size > 100 for file in files)
    assert len(pd.read_csv(files[0])) > (1 if name == "dataset_table" else 2), "a row for each dataset, or more"


def test_main_csv_has_exactly_the_promised_columns_and_metrics(runs, tmp_path):
    out = tmp_path / "main.csv"
    main(["main_table", *arguments("main_table", runs), "--out", str(out)])
    frame = pd.read_csv(out, keep_default_na=False)
    assert list(frame.columns) == [*CELL, *COLUMNS, *protocol.COLUMNS]
    free = frame["metric"] == "rel_generated"
    assert set(frame.loc[free, "protocol"]) == {"free generation"} and set(frame["moment"]) == {"retention"}
    assert set(frame["metric"]) == set(main_table.CSV_METRICS) - {"ood", "ood_exact", "avg_ood", "es"}
    assert (frame["low"] <= frame["mean"]).all() and (frame["mean"] <= frame["high"]).all()
    assert (frame["seeds"] == 2).all() and (frame["covers"] == "seeds and records").all()
    assert (frame["low"] < frame["high"]).all(), "no interval without a width"
    assert frame["editor"].drop_duplicates().tolist() == ["none", "ft-l", "grace", "wise-merge", "wise-retrieve"]


def test_summary_pools_chunks_and_averages_seeds(scores):
    cells = summarise(scores, ("rel", "ppl")).set_index(["editor", "T", "metric"])
    values = scores[(scores["editor"] == "ft-l") & (scores["T"] == 10)]
    rel, nll = (values[values["metric"] == name] for name in ("rel", "nll"))
    assert cells.loc[("ft-l", 10, "rel"), "mean"] == pytest.approx(rel.groupby("seed")["value"].mean().mean())
    clipped = np.exp(nll["value"]).clip(0, 100)
    assert cells.loc[("ft-l", 10, "ppl"), "mean"] == pytest.approx(clipped.groupby(nll["seed"]).mean().mean())


def test_a_cell_does_not_depend_on_the_others(scores):
    alone = summarise(scores[scores["editor"] == "grace"], ("rel",))
    among = summarise(scores, ("gen", "rel"))
    chosen = among[(among["editor"] == "grace") & (among["metric"] == "rel")].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, chosen)


def test_infinite_perplexity_is_counted_and_clipped(scores, caplog):
    broken = scores.copy()
    broken.loc[broken.index[(broken["metric"] == "nll") & (broken["editor"] == "ft-l")][0], "value"] = np.inf
    with caplog.at_level(logging.WARNING):
        table = perplexity_table.aggregate(broken).set_index(["editor", "T"])
        cells = summarise(broken, ("ppl",))
    assert table.loc["ft-l", "non_finite"].sum() == 1 and table.loc["grace", "non_finite"].sum() == 0
    assert np.isfinite(cells["mean"]).all() and caplog.text.count("not finite") == 2
    with pytest.raises(ValueError, match="not finite"):
        summarise(broken, ("nll",))


def test_the_interval_of_a_perplexity_starts_at_one_and_knows_no_clip(scores):
    nll = scores["metric"] == "nll"
    cells = summarise(scores.assign(value=scores["value"].where(~nll, scores["value"] % 0.1)), ("ppl",))
    assert (cells["low"] >= 1).all() and (cells["high"] < 1.4).all()  # no value is above exp(.1)


def test_endings_stand_beside_those_of_the_unedited_model(scores):
    lines = endings.to_markdown(summarise(scores, endings.METRICS)).splitlines()
    grace, wise = (next(line for line in lines if f"| 10 | {editor}" in line) for editor in ("GRACE", "WISE-Merge"))
    assert grace.split("|")[4:] == [" 0.00 / 1.00 ", " 1.00 / 0.00 ", " 0.00 ", " – / – ", " 12.18 / 1.11 ", ""]
    assert wise.split("|")[4:] == [" 1.00 / 1.00 ", " 0.00 / 0.00 ", " 1.00 ", " – / – ", " 1.11 / 1.11 ", ""]


def test_best_cells_tie_and_leave_out_the_unedited_model():
    cells = pd.DataFrame({"editor": ["none", "grace", "ft-l", "mend"], "T": 1, "metric": "loc_far",
                          "mean": [1.0, 0.951, 0.949, 0.5]})  # fmt: skip
    assert main_table.best_cells(cells) == {("grace", 1, "loc_far"), ("ft-l", 1, "loc_far")}
    lower = cells.assign(metric="ppl")
    assert main_table.best_cells(lower) == {("mend", 1, "ppl")}


def test_latex_layout(scores):
    text = main_table.to_latex(main_table.cells_of(scores), scores)
    assert text.count(r"\multicolumn{4}{c}") == len(GRID)
    assert r"\cmidrule(lr){2-5}\cmidrule(lr){6-9}\cmidrule(lr){10-13}" in text
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == 5 and all(line.count("&") == 4 * len(GRID) for line in body)
    assert "2 seeds (0, 1)" in text and text.count(r"\begin{table*}") == 1
    assert escape("a_b & 5%") == r"a\_b \& 5\%"
    assert escape("rho^k ≤ .03 ± ~1") == r"rho\^{}k $\le$ .03 $\pm$ \~{}1"


def test_paired_table_compares_the_same_edits(scores):
    compared = paired_table.compare_all(scores).set_index(["T", "editor", "other"])
    assert set(compared["metric"]) == {"avg"}
    assert len(compared) == len(GRID) * 7  # two WISE editors against three others, and once each other
    row = compared.loc[(30, "wise-merge", "ft-l")]
    wide = scores[(scores["metric"] == "avg") & (scores["T"] == 30)].pivot(
        index=["seed", "record"], columns="editor", values="value"
    )
    assert row["difference"] == pytest.approx((wide["wise-merge"] - wide["ft-l"]).mean())
    assert row["pairs"] == 60 and row["p_holm"] >= row["p"] and row["low"] > 0
    assert row["seeds"] == 2 and row["covers"] == "seeds and records"
    assert (compared["detectable"] > 0).all()


def test_retention_bins_cover_all_ages(scores):
    cells = retention.by_age(scores)
    assert sorted(cells["later"].unique()) == [1.0, 4.0, 7.0, 10.0, 13.0, 16.0, 19.0, 22.0, 25.0, 28.0]
    youngest = scores[(scores["T"] == 30) & (scores["metric"] == "rel") & (scores["editor"] == "grace")]
    expected = youngest[youngest["age"] < 3].groupby("seed")["value"].mean().mean()
    first = cells[(cells["editor"] == "grace") & (cells["metric"] == "rel")].iloc[0]
    assert first["mean"] == pytest.approx(expected)


def test_router_quality_of_a_known_case():
    kinds = {"edit": [9.0, 8.0], "paraphrase": [6.0, 3.0], "locality_near": [5.0, 2.0], "locality_far": [1.0, 1.0]}
    rows = pd.DataFrame([
        {"dataset": "d", "model": "m", "editor": "wise-merge", "seed": 0, "T": 2, "chunk": 0, "record": f"r{i}",
         "kind": kind, "score": score, "threshold": 5.0, "choice": "side 1" if score >= 5 else "main"}
        for kind, scores in kinds.items() for i, score in enumerate(scores)
    ])  # fmt: skip
    found = router.quality(routing.routed(rows)).iloc[0]
    assert found["auc_near"] == pytest.approx(7 / 8)
    assert found["auc_far"] == 1.0 and found["auc"] == pytest.approx(15 / 16)
    for name in ("auc_near", "auc_far", "auc"):
        assert 0 <= found[f"{name}_low"] <= found[name] <= found[f"{name}_high"] <= 1
    assert found["covers"] == "records only"
    rates = [found[f"{name}_rate"] for name in ("edit", "paraphrase", "near", "far")]
    assert rates == [1.0, 0.5, 0.5, 0.0]
    assert found["threshold"] == 5.0


def test_each_dataset_has_a_largest_t_of_its_own(runs):
    cells = summarise(Inputs(score_paths=runs["both"]["scores"]).scores(), ("rel",))
    assert at_largest_t(cells).groupby("dataset")["T"].unique().map(list).to_dict() == {
        "factworld-hallucination": [20],
        "factworld-qa": [30],
    }


def test_styles_are_distinct_and_fall_back_on_the_name():
    styles = list(STYLES.values())
    assert len({style.colour for style in styles}) == len(styles)
    assert len({style.label for style in styles}) == len(styles)
    assert editor_style("new-editor") == editor_style("new-editor")
    assert editor_style("new-editor").label == "new-editor"
    assert in_order(["zeta", "wise-merge", "none", "alpha"]) == ["none", "wise-merge", "alpha", "zeta"]


def test_numbers():
    assert number(0.125, 2) == "0.12" and number(float("nan")) == "–" and number(float("inf")) == "inf"
    assert number(31234567.0) == "3.12e+07"
    assert with_interval(0.5, 0.4, 0.7) == "0.50 [0.40, 0.70]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["triangel", "--out", "x.png"], "Did you mean 'triangle'"),
        (["triangle", "--out", "x.csv"], "is written as .pdf, .png"),
        (["main_table", "--out", "x.csv"], "needs --scores"),
        (["routing", "--transcripts", "t.parquet", "--out", "x.png"], "--runs must name the run.json of each of the 1"),
        (["overhead", "--out", "x.csv"], "needs --overhead"),
    ],
)
def test_mistakes_on_the_command_line(arguments, message, caplog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in caplog.text


def test_wrong_files_are_named(runs, tmp_path):
    path = tmp_path / "scores.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(DataError, match="not a file of scores"):
        Inputs(score_paths=[path]).scores()
    same = runs["main"]["scores"][0]
    with pytest.raises(DataError, match="of the same run"):
        Inputs(score_paths=[same, same]).scores()
    unedited = [index for index, path in enumerate(runs["main"]["runs"]) if "none" in path.parts]
    chosen = {kind: [runs["main"][kind][index] for index in unedited] for kind in ("transcripts", "runs")}
    rows = Inputs(transcript_paths=chosen["transcripts"], run_paths=chosen["runs"]).transcripts(routing.COLUMNS)
    with pytest.raises(DataError, match="none of these editors routes"):
        routing.routed(rows)
