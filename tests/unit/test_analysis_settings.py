"""Each kind of editing has its own headline metrics in tables and figures, however many editors there are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis import main_table, paired_table, retention, scores_vs_t, switches, triangle
from analysis.axes import edits_axis
from analysis.inputs import Inputs
from analysis.style import CONTEXT, STYLES, editor_style, families
from analysis.summary import at_largest_t, summarise
from analysis.task_type import HEADINGS, setting_of, with_averages
from tests.synthetic import write_runs
from wise.evaluate.metrics import METRICS

LOC = ("edit", "locality_far")


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Scores of one dataset of each kind: qa, ood, hallucination, and qa with near locality only."""
    folder = tmp_path_factory.mktemp("runs")
    frames = {}
    for name, kinds in {"hallucination": LOC, "near": ("edit", "paraphrase", "locality_near"), "qa": None,
                        "ood": (*LOC, "paraphrase")}.items():  # fmt: skip
        paths = write_runs(folder, ("none", "ft-l", "wise-merge"), (0, 1), {1: 4, 10: 1}, dataset=name, kinds=kinds)
        frame = Inputs(score_paths=paths["scores"]).scores()
        if name == "ood":
            frame = frame[~frame["metric"].isin(["gen_exact", "avg"])].replace({"metric": {"gen": "ood"}})
        frames[name] = with_averages(frame)
    return frames


@pytest.fixture(scope="module")
def crowd(scores):
    """Every known editor with the scores of three."""
    parts = []
    for index, editor in enumerate(STYLES):
        source = scores["qa"][scores["qa"]["editor"] == ("none", "ft-l", "wise-merge")[index % 3]]
        parts.append(source.assign(editor=editor))
    return pd.concat(parts, ignore_index=True)


def _visible(axes):
    """Labels of an axis's editors, without those of the context."""
    lines = [line for line in axes.get_lines() if line.get_color() != CONTEXT]
    return [line.get_label() for line in lines]


@pytest.mark.parametrize(
    ("metrics", "headline", "compared"),
    [
        ({"rel", "gen", "ood", "loc_far", "loc_near", "avg"}, ("rel", "gen", "loc_far", "avg"), "avg"),
        ({"rel", "gen", "loc_near", "avg"}, ("rel", "gen", "loc_near", "avg"), "avg"),
        ({"rel", "ood", "loc_far", "avg_ood"}, ("rel", "ood", "loc_far", "avg_ood"), "avg_ood"),
        ({"rel", "nll", "loc_far"}, ("ppl", "loc_far"), "nll"),
        ({"rel", "nll"}, ("rel", "ppl"), "rel"),
        ({"rel", "gen"}, ("rel", "gen"), "rel"),
        ({"rel", "gen", "loc_far"}, ("rel", "gen", "loc_far"), "rel"),  # never asked of the same edit
    ],
)
def test_the_metrics_decide_the_setting(metrics, headline, compared):
    setting = setting_of(metrics)
    assert setting.headline == headline and setting.compared == compared
    assert setting.corners == (headline[:3] if len(headline) == 4 else ())


def test_averages_are_those_of_the_headline(scores):
    near, ood = (
        scores[name].set_index(["editor", "seed", "T", "record", "metric"])["value"] for name in ("near", "ood")
    )
    for values, average, parts in (
        (near, "avg", ("rel", "gen", "loc_near")),
        (ood, "avg_ood", ("rel", "ood", "loc_far")),
    ):
        wide = values.unstack("metric")
        assert wide[average].to_numpy() == pytest.approx(wide[list(parts)].mean(axis=1).to_numpy())


@pytest.mark.parametrize(
    ("name", "columns", "others"),
    [
        ("qa", "Rel Gen Loc Avg", "Loc near"),
        ("near", "Rel Gen Loc Avg", "Rel exact"),
        ("ood", "Rel OOD Loc Avg", "PPL"),
        ("hallucination", "PPL Loc", "Rel"),
    ],
)
def test_main_table_shows_the_headline_at_every_t(scores, name, columns, others):
    cells = main_table.cells_of(scores[name])
    text = main_table.to_markdown(cells, scores[name])
    header, *_, last = [line for line in text.splitlines() if line.startswith("| Editor")]
    assert header == "| Editor | " + " | ".join(f"T={t} {c}" for t in (1, 10) for c in columns.split()) + " |"
    assert others in last.strip(" |").split(" | ")
    assert r"\multicolumn{" + str(len(columns.split())) + "}{c}{$T=10$}" in main_table.to_latex(cells, scores[name])


def test_the_lowest_perplexity_is_bold(scores):
    text = main_table.to_markdown(main_table.cells_of(scores["hallucination"]), scores["hallucination"])
    ours, theirs = ([line.split(" | ") for line in text.splitlines() if line.startswith(f"| {label}")][0]
                    for label in ("WISE-Merge", "FT-L"))  # fmt: skip
    assert ours[3].startswith("**") and not theirs[3].startswith("**")


def test_paired_differences_are_above_zero_where_wise_is_better(scores):
    for name, metric in (("hallucination", "nll"), ("ood", "avg_ood"), ("near", "avg")):
        compared = paired_table.compare_all(scores[name])
        assert set(compared["metric"]) == {metric}
        row = compared.set_index(["T", "other"]).loc[(10, "ft-l")]
        assert row["difference"] > 0
    broken = scores["hallucination"].copy()
    worst = (broken["metric"] == "nll") & (broken["editor"] == "ft-l")
    broken.loc[worst, "value"] = np.inf
    found = paired_table.compare_all(broken).set_index(["T", "other"]).loc[(10, "ft-l")]
    assert row["pairs"] == found["pairs"] and found["difference"] < np.log(100)
    assert "NLL of the target" in paired_table.to_markdown(paired_table.compare_all(broken), broken)


def test_the_correction_does_not_depend_on_other_datasets(scores):
    alone = paired_table.compare_all(scores["qa"])
    among = paired_table.compare_all(pd.concat([scores["qa"], scores["hallucination"]]))
    pd.testing.assert_frame_equal(among[among["dataset"] == "qa"].reset_index(drop=True), alone)


def test_variants_are_compared_by_the_metric_of_the_setting(scores):
    for name, metric in (("hallucination", "nll"), ("ood", "avg_ood"), ("near", "avg")):
        variants = {"ft-l": "first", "wise-merge": "second"}
        frame = scores[name][scores[name]["editor"].isin(variants)]
        frame = frame.assign(variant=frame["editor"].map(variants), editor="rome", iterations=1.0, records="stream")
        row = switches.compare_all(frame).set_index(["variant", "T"]).loc[("second", 10)]
        assert row["compared"] == metric and row["difference"] > 0
        text = switches.to_markdown(switches.compare_all(frame))
        assert METRICS[metric].title in text and "nan" not in text and "WISE" not in text


def test_panels_of_each_setting(scores):
    shown = {name: scores_vs_t.panels_of(setting_of(frame["metric"]), frame) for name, frame in scores.items()}
    assert shown == {
        "qa": ["rel", "gen", "loc_far", "loc_near", "avg"],
        "near": ["rel", "gen", "loc_near", "avg"],
        "ood": ["rel", "ood", "loc_far", "avg_ood"],
        "hallucination": ["ppl", "loc_far"],
    }
    assert set(retention.by_age(scores["ood"])["metric"]) == {"rel", "ood", "loc_far"}


def test_perplexity_stands_against_locality_where_there_is_no_triangle(scores):
    frames = {name: at_largest_t(summarise(frame, tuple(HEADINGS))) for name, frame in scores.items()}
    both = triangle.draw(pd.concat([frames["qa"], frames["hallucination"]]))
    assert [strip.get_suptitle() for strip in both.subfigs] == ["qa, factlm, T=10"]
    (strip,) = triangle.draw(frames["hallucination"]).subfigs
    (axes,) = strip.axes
    assert axes.get_xlabel().startswith("PPL") and axes.get_ylabel() == "Loc far"


def test_what_the_triangles_of_families_show_is_said_once(crowd):
    four = ("none", "ft-l", "memit", "retrieval", "grace", "memoir", "wise-merge")  # of four families, in rows of three
    cells = at_largest_t(summarise(crowd[crowd["editor"].isin(four)], tuple(HEADINGS)))
    texts = [text.get_text() for axes in triangle.draw(cells).subfigs[0].axes for text in axes.texts]
    assert sum(text.startswith("In parentheses") for text in texts) == 1


def test_many_editors_are_shown_by_family_with_the_unedited_model_in_each(crowd):
    few = ["wise-merge", "none", "ft-l"]
    assert families(few) == [("", ["none", "ft-l", "wise-merge"])]
    rows = families(STYLES)
    assert [name for _, names in rows for name in names] == [name for name in STYLES if name != "none"]
    assert max(len(names) for _, names in rows) <= 6
    for drawn in (scores_vs_t.draw(summarise(crowd, tuple(HEADINGS))), retention.draw(retention.by_age(crowd))):
        panels = drawn.subfigs[0].axes
        columns = len(panels) // len(rows)
        for (_, names), axes in zip(rows, panels[::columns], strict=True):
            assert _visible(axes) == [editor_style(name).label for name in ("none", *names)]
            assert len(axes.get_lines()) == len(STYLES)


def test_ticks_that_would_touch_stand_in_two_lines():
    axes = Figure().subplots()
    edits_axis(axes, [1, 10, 100, 200])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10", "100", "\n200"]
