"""Studies take their settings from the records of their runs and compare what differs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import generation, grace_radius, layer, published_variants, scaling, shards, switches, tracing
from analysis.inputs import Inputs
from tests.study_runs import REFINED, SWITCHED, VARIANTS, inputs_of
from wise.errors import ConfigError, DataError
from wise.files import read_json, write_json


def test_ablations_take_their_settings_from_the_run_records(runs):
    chosen = runs["shards"]
    cells = shards.by_shards(Inputs(score_paths=chosen["scores"], run_paths=chosen["runs"]))
    assert sorted(set(zip(cells["k"], cells["rho"], strict=True))) == [(2, 0.1), (2, 0.5), (4, 0.1)]
    assert np.allclose(cells["overlap"], cells["rho"] ** cells["k"])
    assert np.allclose(cells["simulated"], cells["overlap"], atol=0.004) and not cells["simulated"].eq(0.01).any()
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
    drop = np.linspace(0.3, 0.5, int(worse.sum()))
    scores.loc[worse, "value"] -= np.random.default_rng(0).permutation(drop)
    compared = switches.compare_all(scores).set_index(["variant", "T"])
    assert list(dict.fromkeys(compared.index.get_level_values(0))) == ["refined", "activation ffn", "convention paper"]
    assert compared.loc["refined", ["difference", "p_holm"]].isna().all(axis=None)
    row, same = compared.loc[("activation ffn", 10)], compared.loc[("convention paper", 10)]
    assert row["difference"] == pytest.approx(-drop.mean()) and row["low"] < row["difference"] < row["high"] < 0
    assert row["pairs"] == 10 and row["iterations"] == 20 and row["p_holm"] == pytest.approx(2 * row["p"])
    assert same["difference"] == 0 and same["low"] == -same["high"] < 0 and same["p_holm"] == 1
    assert row["detectable"] > 0 and row["covers"] == "records only"
    text = switches.to_markdown(compared.reset_index())
    shown = next(line for line in text.splitlines() if line.startswith("| activation ffn"))
    assert f"**{row['difference']:+.3f}** [" in shown and f"({row['detectable']:.3f})" in shown
    assert "cover records only" in text


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


def test_layer_reference_is_of_the_same_t_alone():
    place = {"dataset": "d", "model": "m", "editor": "grace"}
    reference = pd.DataFrame({**place, "T": [1, 10, 300], "mean": [0.7, 0.6, 0.5]})
    assert layer.reference_average(reference, "d", "m", 300) == 0.5
    assert layer.reference_average(reference, "d", "m", 100) is None
    assert layer.reference_average(reference, "other", "m", 100) is None
    assert layer.reference_average(None, "d", "m", 100) is None


def test_an_oracle_is_beside_what_the_router_did_and_the_papers_cells_beside_both(runs):
    frame = scaling.table(inputs_of("scaling", runs)).frame
    cells = frame[frame["editor"] == "wise-retrieve"].set_index(["T", "oracle", "metric"])["mean"]
    assert cells[30, True, "rel"] == cells[30, True, "avg"] == 1.0, "the memory of the edit knows the target"
    assert cells[30, False, "rel"] < 1.0 and 0.5 < cells[30, False, "rel_retrieved"] <= 0.81
    theirs = scaling.with_published(frame[["editor", "oracle", "T", "metric"]].assign(T=3000))
    theirs = theirs[theirs["editor"] == "wise-retrieve"].drop_duplicates().set_index(["oracle", "metric"])["published"]
    assert (theirs[False, "avg"], theirs[True, "avg"]) == (0.73, 0.82)


def test_published_cells_of_an_option_stand_beside_the_variants_that_set_it():
    options = {
        "a": {"merge": "ties", "rho": 0.5},
        "b": {"merge": "slerp", "rho": 0.5},
        "c": {"merge": "ties", "rho": 0.3},
    }
    text = published_variants.beside(options, {60: {("a", "rel"): 0.5, ("b", "rel"): 0.25}})
    assert "Table 11, LLaMA-2-7B on zsre, T=100" in text and "Table 13" not in text
    assert "| b | 0.250 | – | – | – | 0.62 | 0.64 | 0.91 | 0.72 |" in text
    assert published_variants.beside({"a": {"merge": "ties"}}, {1: {}}) == "", "nothing is varied"
    replay = {"without": {"replay": False}, "with": {"replay": True}}
    ours = {("without", "rel"): 0.5, ("with", "rel"): 0.75, ("with", "rel_retrieved"): 0.9}
    assert "| with | 0.900 | 0.250 | 0.88 | 0.08 |" in published_variants.beside(replay, {10: ours})
    loss = {"whole": {"routing_weight": 1.0}, "without": {"routing_weight": 0.0}}
    ours = {T: {("without", "rel"): T / 1000} for T in (10, 100)}
    text = published_variants.beside(loss, ours)
    for T, count in ((10, 10), (100, 100), (1000, 100)):  # the same T, else the largest
        table = text.split(f"on zsre, T={T}.")[1].split("Published")[0]
        assert f"| Variant | T={count} Rel |" in table and f"| without | {count / 1000:.3f} |" in table


def test_effects_of_tracing_are_beside_the_edits_of_the_same_layer(runs):
    inputs = inputs_of("tracing", runs)
    frame = tracing.table(inputs).frame.set_index(["kind", "token", "layer"])
    rows = pd.DataFrame(inputs.tracing()["rows"]).query("kind == 'state' and token == 'prompt_last' and layer == 2")
    cell = frame.loc[("state", "prompt_last", 2)]
    assert cell["effect"] == pytest.approx(rows["effect"].mean()) and cell["low"] < cell["effect"] < cell["high"]
    there = layer.by_layer(inputs.of_study("layer")).set_index(["layer", "metric"])["mean"]
    assert cell["edit_avg"] == pytest.approx(there[2, "avg"]) and np.isnan(
        frame.loc[("ffn", "subject_last", 1), "edit_avg"]
    )
    alone = tracing.table(Inputs(tracing_path=inputs.tracing_path))
    assert "edit_avg" not in alone.frame and "Published (WISE, Figure 8" in alone.markdown
