"""Tables have the columns and layout they promise; every figure is written, the same each time."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from analysis import (
    generation,
    grace_radius,
    layer,
    main_table,
    paired_table,
    perplexity_table,
    retention,
    router,
    routing,
    shards,
    switches,
)
from analysis.__main__ import ARTIFACTS, main
from analysis.inputs import Inputs
from analysis.style import RC, STYLES, editor_style, in_order
from analysis.summary import at_largest_t, summarise
from analysis.text import escape, number, with_interval
from tests.synthetic import overhead, write_runs, write_searches
from wise.errors import ConfigError, DataError
from wise.files import read_json, write_json

GRID = {1: 6, 10: 2, 30: 1}
TABLES = {
    "main_table": (".csv", ".md", ".tex"), "paired_table": (".csv", ".md"), "perplexity_table": (".csv", ".md"),
    "layer": (".csv", ".md"), "shards": (".csv", ".md"), "router": (".csv", ".md"), "overhead": (".csv", ".md"),
    "generation": (".csv", ".md", ".tex"), "switches": (".csv", ".md", ".tex"),
    "grace_radius": (".csv", ".md"), "published_table": (".csv", ".md"),
    "tuning": (".csv", ".md"), "tuning_trials": (".csv",),
}  # fmt: skip
VARIANTS = [
    {"routing": "per_step", "positions": "tokens", "threshold": "recorded"},
    {"routing": "per_step", "positions": "last", "threshold": "current"},
    {"routing": "prefill", "positions": "last", "threshold": "current"},
]
REFINED = {"convention": "refined", "lr": 60.0, "act_ratio": 0.8, "activation": "none", "replay": False}
SWITCHED = [{}, {"activation": "ffn"}, {"convention": "paper", "lr": 1.0, "act_ratio": 1.0}]
FIGURES = [name for name, artifact in ARTIFACTS.items() if artifact.figure]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Main runs of two datasets, the second without paraphrases and near locality, and runs of both ablations."""
    folder = tmp_path_factory.mktemp("runs")
    made = {"main": write_runs(folder, seeds=(0, 1), grid=GRID)}
    other = write_runs(folder, seeds=(0, 1), grid={1: 6, 20: 1}, dataset="factworld-hallucination",
                       kinds=("edit", "locality_far"))  # fmt: skip
    made["both"] = {kind: made["main"][kind] + other[kind] for kind in other}
    made["layer"] = _study(folder, "wise-retrieve", [{"layer": index} for index in (0, 2, 10)])
    grid = [{"options": {"shards": k, "rho": rho}} for k, rho in ((2, 0.1), (2, 0.5), (4, 0.1))]
    made["shards"] = _study(folder, "wise-merge", grid)
    made["generation"] = _study(folder / "generation", "wise-retrieve", [{"options": point} for point in VARIANTS])
    points = [{"options": REFINED | point, "grid": {1: 6, 10: 1}} for point in SWITCHED]
    made["switches"] = _study(folder / "switches", "wise-retrieve", points)
    made["locate"] = made["switches"]
    made["grace_radius"] = _study(folder / "radius", "grace", [{"options": {"radius": r}} for r in (10.0, 1.0)])
    write_json(folder / "overhead.json", overhead())
    made["overhead"] = folder / "overhead.json"
    made["searches"] = write_searches(folder)
    return made


@pytest.fixture(scope="module")
def scores(runs):
    return Inputs(score_paths=runs["main"]["scores"]).scores()


def _study(folder, editor, points):
    paths = {"scores": [], "runs": [], "transcripts": []}
    for index, point in enumerate(points):
        point = {"grid": {10: 1}, **point}
        found = write_runs(folder / f"{editor}-{index}", editors=(editor,), seeds=(0,), **point)
        for kind in paths:
            paths[kind] += found[kind]
    return paths


def _arguments(name, runs):
    def option(flag, paths):
        return [flag, *map(str, paths)]

    if name == "overhead":
        return ["--overhead", str(runs["overhead"])]
    if name.startswith("tuning"):
        return option("--searches", runs["searches"])
    if name in ("layer", "shards", "generation", "switches", "locate"):
        chosen = runs[name]
        reference = option("--reference-scores", runs["main"]["scores"]) if name == "layer" else []
        return option("--scores", chosen["scores"]) + option("--runs", chosen["runs"]) + reference
    if name == "grace_radius":
        return option("--transcripts", runs[name]["transcripts"]) + option("--runs", runs[name]["runs"])
    if name == "routing":
        return option("--transcripts", runs["both"]["transcripts"]) + option("--runs", runs["both"]["runs"])
    if name == "router":
        return option("--transcripts", runs["main"]["transcripts"][-4:]) + option("--runs", runs["main"]["runs"][-4:])
    return option("--scores", runs["both"]["scores"])


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_written(name, runs, tmp_path, monkeypatch):
    monkeypatch.setitem(RC, "savefig.dpi", 80)  # faster
    png, pdf = (tmp_path / f"{name}{suffix}" for suffix in (".png", ".pdf"))
    assert main([name, *_arguments(name, runs), "--out", str(png), str(pdf)]) == 0
    assert png.read_bytes().startswith(b"\x89PNG") and png.stat().st_size > 5_000
    assert pdf.read_bytes().startswith(b"%PDF") and b"CreationDate" not in pdf.read_bytes()


def test_figures_and_tables_are_the_same_each_time(runs, tmp_path):
    for suffix in (".png", ".pdf", ".csv", ".md"):
        first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
        for file in (first, second):
            assert main(["layer", *_arguments("layer", runs), "--out", str(file)]) == 0
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_written(name, runs, tmp_path):
    files = [tmp_path / f"{name}{suffix}" for suffix in TABLES[name]]
    assert main([name, *_arguments(name, runs), "--out", *map(str, files)]) == 0
    assert all(file.stat().st_size > 100 for file in files)
    assert len(pd.read_csv(files[0])) > 2


def test_main_csv_has_exactly_the_promised_columns_and_metrics(runs, tmp_path):
    out = tmp_path / "main.csv"
    main(["main_table", *_arguments("main_table", runs), "--out", str(out)])
    frame = pd.read_csv(out, keep_default_na=False)
    assert list(frame.columns) == ["dataset", "model", "editor", "T", "metric", "mean", "low", "high", "seeds"]
    assert set(frame["metric"]) == set(main_table.CSV_METRICS) - {"ood", "ood_exact", "avg_ood"}
    assert (frame["low"] <= frame["mean"]).all() and (frame["mean"] <= frame["high"]).all()
    assert (frame["seeds"] == 2).all()
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


def test_best_cells_tie_and_leave_out_the_unedited_model():
    cells = pd.DataFrame({"editor": ["none", "grace", "ft-l", "mend"], "T": 1, "metric": "loc_far",
                          "mean": [1.0, 0.951, 0.949, 0.5]})  # fmt: skip
    assert main_table.best_cells(cells) == {("grace", 1, "loc_far"), ("ft-l", 1, "loc_far")}
    lower = cells.assign(metric="ppl")
    assert main_table.best_cells(lower) == {("mend", 1, "ppl")}


def test_latex_layout(scores):
    text = main_table.to_latex(main_table.cells_of(scores), [0, 1])
    assert text.count(r"\multicolumn{4}{c}") == len(GRID)
    assert r"\cmidrule(lr){2-5}\cmidrule(lr){6-9}\cmidrule(lr){10-13}" in text
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == 5 and all(line.count("&") == 4 * len(GRID) for line in body)
    assert "2 seeds (0, 1)" in text and text.count(r"\begin{table*}") == 1
    assert escape("a_b & 5%") == r"a\_b \& 5\%"


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
        {"dataset": "d", "model": "m", "editor": "wise-merge", "seed": 0, "T": 2, "record": f"r{i}", "kind": kind,
         "score": score, "threshold": 5.0, "choice": "side 1" if score >= 5 else "main"}
        for kind, scores in kinds.items() for i, score in enumerate(scores)
    ])  # fmt: skip
    found = router.quality(routing.routed(rows)).iloc[0]
    assert found["auc_near"] == pytest.approx(7 / 8)
    assert found["auc_far"] == 1.0 and found["auc"] == pytest.approx(15 / 16)
    rates = [found[f"{name}_rate"] for name in ("edit", "paraphrase", "near", "far")]
    assert rates == [1.0, 0.5, 0.5, 0.0]
    assert found["threshold"] == 5.0


def test_ablations_take_their_settings_from_the_run_records(runs):
    chosen = runs["shards"]
    cells = shards.by_shards(Inputs(score_paths=chosen["scores"], run_paths=chosen["runs"]))
    assert sorted(set(zip(cells["k"], cells["rho"], strict=True))) == [(2, 0.1), (2, 0.5), (4, 0.1)]
    assert np.allclose(cells["overlap"], cells["rho"] ** cells["k"])
    table = shards.grid(cells)
    assert table.shape == (2, 2) and np.isnan(table.loc[4, 0.5])


def test_variants_of_routing_are_told_apart_by_the_run_records(runs):
    chosen = runs["generation"]
    cells = generation.by_variant(Inputs(score_paths=chosen["scores"], run_paths=chosen["runs"]))
    assert set(cells["metric"]) == {"rel_exact", "rel_generated"} and len(cells) == 2 * len(VARIANTS)
    for path, point in zip(chosen["scores"], VARIANTS, strict=True):
        scores = pd.read_parquet(path)
        cell = cells[(cells[list(point)] == list(point.values())).all(axis=1) & (cells["metric"] == "rel_generated")]
        assert cell["mean"].item() == pytest.approx(scores.loc[scores["metric"] == "rel_generated", "value"].mean())
    rows = [line.split(" | ")[2:4] for line in generation.to_markdown(cells).splitlines() if line.startswith("| 10")]
    assert rows == [["once", "last token"], ["each step", "last token"], ["each step", "mean of text"]]


def test_variants_that_route_alike_or_generate_nothing_are_refused(runs, tmp_path):
    chosen = runs["generation"]
    other = tmp_path / "scores.parquet"
    pd.read_parquet(chosen["scores"][0]).to_parquet(other)
    with pytest.raises(DataError, match="two runs have the same routing .*wise-retrieve, per_step, tokens, recorded"):
        generation.by_variant(Inputs(score_paths=[chosen["scores"][0], other], run_paths=chosen["runs"][:1] * 2))
    scores = pd.read_parquet(other)
    scores[scores["metric"] != "rel_generated"].to_parquet(other)
    with pytest.raises(DataError, match="have none"):
        generation.by_variant(Inputs(score_paths=[other], run_paths=chosen["runs"][:1]))


def test_a_threshold_that_is_unusual_for_its_positions_is_named():
    assert generation.variant_label("prefill", "last", "current") == "once\nlast token"
    assert generation.variant_label("per_step", "padded", "recorded") == "each step\nmean with padding"
    assert generation.variant_label("prefill", "last", "recorded").endswith("\nrecorded threshold")


def test_a_variant_is_named_by_what_sets_it_apart():
    assert switches.variant_label(REFINED, REFINED) == "refined"
    assert switches.variant_label(REFINED | {"replay": True, "act_ratio": 1.0}, REFINED) == "act_ratio 1, replay true"
    paper = REFINED | SWITCHED[2]
    assert switches.variant_label(paper, REFINED) == "convention paper"
    assert switches.variant_label(paper | {"lr": 60.0}, REFINED) == "convention paper, lr 60"


def test_switches_are_compared_with_the_first_variant_on_the_same_edits(runs):
    chosen = runs["switches"]
    scores = switches.read(Inputs(score_paths=chosen["scores"], run_paths=chosen["runs"]))
    worse = (scores["variant"] == "activation ffn") & (scores["metric"] == "avg") & (scores["T"] == 10)
    drop = np.linspace(0.1, 0.3, int(worse.sum()))
    scores.loc[worse, "value"] -= np.random.default_rng(0).permutation(drop)
    compared = switches.compare_all(scores).set_index(["variant", "T"])
    assert list(dict.fromkeys(compared.index.get_level_values(0))) == ["refined", "activation ffn", "convention paper"]
    assert compared.loc["refined", ["difference", "p_holm"]].isna().all(axis=None)
    row, same = compared.loc[("activation ffn", 10)], compared.loc[("convention paper", 10)]
    assert row["difference"] == pytest.approx(-drop.mean()) and row["low"] < row["difference"] < row["high"] < 0
    assert row["pairs"] == 10 and row["iterations"] == 20 and row["p_holm"] == pytest.approx(2 * row["p"])
    assert same["difference"] == same["low"] == same["high"] == 0 and same["p_holm"] == 1
    text = switches.to_markdown(compared.reset_index())
    shown = next(line for line in text.splitlines() if line.startswith("| activation ffn"))
    assert f"**{row['difference']:+.3f}** [" in shown and "+0.000 [+0.000, +0.000]" in shown


def test_an_interval_that_misses_its_difference_by_rounding_is_drawn(runs):
    chosen = runs["switches"]
    compared = switches.compare_all(switches.read(Inputs(score_paths=chosen["scores"], run_paths=chosen["runs"])))
    compared["low"] = np.nextafter(compared["difference"], 1.0)  # as a bootstrap of equal differences may have it
    assert (compared["difference"] < compared["low"]).any()
    assert switches.draw(compared).get_axes()


def test_radii_and_distances_come_from_the_transcripts(runs):
    chosen = runs["grace_radius"]
    inputs = Inputs(transcript_paths=chosen["transcripts"], run_paths=chosen["runs"])
    rows = grace_radius.read(inputs)
    assert (rows["distance"] == -rows["score"]).all() and (rows["taken"] == (rows["distance"] <= rows["radius"])).all()
    found = grace_radius.by_kind(rows)
    assert found["first_radius"].tolist() == [1.0] * 4 + [10.0] * 4
    assert found["kind"].tolist()[:4] == ["edit", "paraphrase", "locality_near", "locality_far"]
    cell = found.set_index(["first_radius", "kind"]).loc[(10.0, "paraphrase")]
    asked = pd.read_parquet(chosen["transcripts"][0]).query("kind == 'paraphrase'")
    assert cell["distance"] == pytest.approx(-asked["score"].median()) and cell["questions"] == len(asked) == 20
    assert cell["taken"] == pytest.approx((asked["choice"] != "main").mean())
    others = [runs["generation"][kind] for kind in ("transcripts", "runs")]
    with pytest.raises(DataError, match="lacks 'options.radius'"):
        grace_radius.read(Inputs(transcript_paths=others[0], run_paths=others[1]))


def test_a_variant_that_is_the_default_already_is_left_out(runs, caplog):
    chosen = runs["switches"]
    paths = {kind: [*chosen[kind][:1] * 2, chosen[kind][1]] for kind in ("scores", "runs")}
    scores = switches.read(Inputs(score_paths=paths["scores"], run_paths=paths["runs"]))
    assert scores["variant"].unique().tolist() == ["refined", "activation ffn"]
    assert scores.groupby("variant").size().nunique() == 1 and "have the same options" in caplog.text


def test_switches_show_records_and_what_is_sent_to_a_memory(runs, tmp_path):
    chosen, found = runs["switches"], {}
    for records in ("development", "stream"):
        for index, path in enumerate(chosen["runs"]):
            found.setdefault(path, []).append(tmp_path / f"{records}-{index}.json")
            write_json(found[path][-1], {**read_json(path), "records": records})
    paths = {kind: chosen[kind] * 2 for kind in ("scores", "transcripts")}
    records = [places[place] for place in (0, 1) for places in found.values()]
    inputs = Inputs(score_paths=paths["scores"], transcript_paths=paths["transcripts"], run_paths=records)
    made = switches.table(inputs)
    assert made.frame["records"].tolist() == ["development"] * 6 + ["stream"] * 6
    asked = pd.read_parquet(chosen["transcripts"][1]).query("kind == 'locality_far' and T == 10")
    cell = made.frame.query("variant == 'activation ffn' and T == 10 and records == 'stream'").iloc[0]
    assert cell["far_rate"] == pytest.approx((asked["choice"] != "main").mean())
    assert "## WISE-Retrieve on factworld-qa (development), factlm" in made.markdown
    assert " T=10 far to memory |" in made.markdown
    with pytest.raises(ConfigError, match="must name files of the 3 runs of --scores"):
        switches.read(Inputs(score_paths=chosen["scores"], run_paths=chosen["runs"][:2]))


def test_layer_reference_is_the_nearest_t():
    place = {"dataset": "d", "model": "m", "editor": "grace"}
    reference = pd.DataFrame({**place, "T": [1, 10, 300], "mean": [0.7, 0.6, 0.5]})
    assert layer.reference_average(reference, "d", "m", 100) == (0.5, 300)
    assert layer.reference_average(reference, "other", "m", 100) is None
    assert layer.reference_average(None, "d", "m", 100) is None


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
    assert with_interval(0.5, 0.4, 0.7) == "0.50 ± 0.15"


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
