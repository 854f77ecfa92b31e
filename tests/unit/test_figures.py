"""Figures show what their tables say: series, values, labels with units, and the colours of `analysis.style`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.lines import Line2D

from analysis import generation, grace_radius, layer, main_table, overhead, retention, router, routing, shards, switches
from analysis.__main__ import ARTIFACTS, main
from analysis.scores_vs_t import SPREAD
from analysis.style import METRIC_COLOURS, QUERY_STYLES, RC, editor_style
from tests.study_runs import GRID, arguments, inputs_of
from wise.evaluate.metrics import METRICS
from wise.evaluate.statistics import auc

FIGURES = {artifact.module: name for name, artifact in reversed(ARTIFACTS.items()) if artifact.figure}.values()
"""One artifact of each module."""
EDITORS = ["none", "ft-l", "grace", "wise-merge", "wise-retrieve"]


def drawn(name: str, runs) -> Figure:
    """The figure of an artifact, before it is saved."""
    return importlib.import_module(ARTIFACTS[name].module).figure(inputs_of(name, runs))


def panel(strip, title: str) -> Axes:
    """The one panel with a title."""
    [found] = [axes for axes in strip.axes if axes.get_title() == title]
    return found


def lines_by_label(axes: Axes) -> dict[str, Line2D]:
    """Labelled lines of a panel."""
    return {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}


def styled(line: Line2D, editor: str) -> bool:
    """Whether a line looks as that editor does in every figure."""
    style = editor_style(editor)
    return (to_hex(line.get_color()).upper(), line.get_marker(), line.get_label()) == (
        style.colour.upper(),
        style.marker,
        style.label,
    )


def means(frame: pd.DataFrame, **wanted) -> pd.DataFrame:
    """Rows of a table with these values."""
    return frame[(frame[list(wanted)] == list(wanted.values())).all(axis=1)]


def texts(strip) -> Iterator[str]:
    """All that is written in a strip's panels."""
    return (text.get_text() for axes in strip.axes for text in axes.texts)


def heights(axes: Axes) -> dict[str, list[float]]:
    """Heights of grouped bars by their label."""
    return {
        bars.get_label(): [bar.get_height() for bar in bars] for bars in axes.containers if hasattr(bars, "patches")
    }


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_written_as_picture_and_as_text(name, runs, tmp_path, monkeypatch):
    monkeypatch.setitem(RC, "savefig.dpi", 80)  # faster
    png, pdf = (tmp_path / f"{name}{suffix}" for suffix in (".png", ".pdf"))
    assert main([name, *arguments(name, runs), "--out", str(png), str(pdf)]) == 0
    picture = imread(png)
    assert picture.shape[1] > 300 and 0.01 < (picture[..., :3].min(axis=-1) < 0.9).mean() < 0.9
    assert b"/Type3" not in pdf.read_bytes() and b"CreationDate" not in pdf.read_bytes()


def test_scores_against_t_are_those_of_the_main_table(runs):
    table = main_table.table(inputs_of("main_table", runs)).frame
    hallucination, qa = drawn("scores_vs_t", runs).subfigs
    assert [qa.get_suptitle(), hallucination.get_suptitle()] == [
        "factworld-qa, factlm",
        "factworld-hallucination, factlm",
    ]
    for metric in ("rel", "gen", "loc_far", "loc_near", "avg"):
        axes = panel(qa, METRICS[metric].title if metric != "avg" else "Avg")
        assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("edits T", "score", "log")
        assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10", "30"]
        lines = lines_by_label(axes)
        assert list(lines) == [editor_style(editor).label for editor in EDITORS]
        for editor, line, band in zip(EDITORS, lines.values(), axes.collections, strict=True):
            cells = means(table, dataset="factworld-qa", editor=editor, metric=metric).sort_values("T")
            assert styled(line, editor) and line.get_ydata() == pytest.approx(cells["mean"].to_numpy())
            assert np.abs(np.log(line.get_xdata() / np.array(list(GRID)))).max() <= np.log(SPREAD) + 1e-9
            shown = band.get_paths()[0].vertices[:, 1]
            assert (shown.min(), shown.max()) == pytest.approx((cells["low"].min(), cells["high"].max()))
            assert to_hex(band.get_facecolor()[0]).upper() == editor_style(editor).colour.upper()
    perplexity = panel(hallucination, "PPL (lower is better)")
    assert (perplexity.get_ylabel(), perplexity.get_yscale()) == ("perplexity", "log")
    legend = [text.get_text() for axes in qa.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    assert legend == [editor_style(editor).label for editor in EDITORS]


def test_corners_of_triangles_are_the_scores_at_the_largest_t(runs):
    table = means(main_table.table(inputs_of("main_table", runs)).frame, dataset="factworld-qa", T=30)
    [strip] = drawn("triangle", runs).subfigs
    [axes] = strip.axes
    assert strip.get_suptitle() == "factworld-qa, factlm, T=30"
    assert {"Reliability", "Generalization", "Locality (far)"} <= {text.get_text() for text in axes.texts}
    lines = lines_by_label(axes)
    assert len(lines) == len(EDITORS)
    for editor, (label, line) in zip(EDITORS, lines.items(), strict=True):
        values = means(table, editor=editor).set_index("metric")["mean"]
        corners = np.hypot(*line.get_data())
        assert corners == pytest.approx(values[["rel", "gen", "loc_far", "rel"]].to_numpy())
        assert label == f"{editor_style(editor).label}  ({values['avg']:.2f})"
        assert to_hex(line.get_color()).upper() == editor_style(editor).colour.upper()


def test_retention_shows_the_score_of_each_age(runs):
    inputs = inputs_of("retention", runs)
    cells = means(retention.by_age(inputs.scores()), dataset="factworld-qa")
    strip = drawn("retention", runs).subfigs[1]
    for metric in ("rel", "gen", "loc_far"):
        axes = panel(strip, METRICS[metric].title)
        assert axes.get_xlabel() == "edits made after this one"
        for editor, line in zip(EDITORS, lines_by_label(axes).values(), strict=True):
            wanted = means(cells, editor=editor, metric=metric).sort_values("later")
            assert styled(line, editor) and line.get_xdata() == pytest.approx(wanted["later"].to_numpy())
            assert line.get_ydata() == pytest.approx(wanted["mean"].to_numpy())


def test_routing_shows_scores_and_what_goes_to_a_memory(runs):
    rows = routing.routed(inputs_of("routing", runs).transcripts(routing.COLUMNS))
    strip = drawn("routing", runs).subfigs[1]
    assert strip.get_suptitle() == "factworld-qa, factlm, T=30"
    for place, editor in enumerate(("grace", "wise-merge", "wise-retrieve")):
        axes = panel(strip, editor_style(editor).label)
        asked = means(rows, dataset="factworld-qa", editor=editor, T=30)
        shares = (asked["choice"] != "main").groupby(asked["kind"]).mean()
        written = {to_hex(text.get_color()).upper(): text.get_text() for text in axes.texts if "%" in text.get_text()}
        assert written == {colour: f"{shares[kind]:.0%}" for kind, (_, colour) in QUERY_STYLES.items()}
        names = [label.get_text() for label in axes.get_yticklabels()]
        assert names == ([label for label, _ in reversed(QUERY_STYLES.values())] if place == 0 else [""] * 4)
        thresholds = [line.get_xdata()[0] for line in axes.get_lines() if line.get_linestyle() == "--"]
        assert thresholds == [pytest.approx(asked["threshold"].median())] and axes.get_xlabel() == "routing score"
        assert [to_hex(patch.get_facecolor()).upper() for patch in axes.patches if hasattr(patch, "get_data")] == [
            colour for _, colour in reversed(QUERY_STYLES.values())
        ]


def test_the_router_is_drawn_with_its_medians_and_curves(runs):
    rows = routing.routed(inputs_of("router", runs).transcripts(routing.COLUMNS))
    merge, retrieve = drawn("router", runs).subfigs
    assert merge.get_suptitle() == "WISE-Merge on factworld-qa, factlm"
    own = means(rows, editor="wise-retrieve")
    over_t, spread, roc = retrieve.axes
    assert (over_t.get_xlabel(), over_t.get_ylabel(), spread.get_title()) == (
        "edits T",
        "routing score",
        "distributions at T=30",
    )
    lines = lines_by_label(over_t)
    assert list(lines) == [*(label for label, _ in QUERY_STYLES.values()), "threshold"]
    for kind, (label, colour) in QUERY_STYLES.items():
        medians = means(own, kind=kind).groupby("T")["score"].median()
        assert lines[label].get_ydata() == pytest.approx(medians.to_numpy()) and lines[label].get_color() == colour
    assert lines["threshold"].get_ydata() == pytest.approx(own.groupby("T")["threshold"].median().to_numpy())
    last = means(own, T=30)
    inside = last.loc[last["kind"].isin(router.IN_SCOPE), "score"].to_numpy(dtype=float)
    areas = {kind: auc(inside, means(last, kind=kind)["score"].to_numpy(dtype=float)) for kind in router.IRRELEVANT}
    assert list(lines_by_label(roc)) == [f"{QUERY_STYLES[kind][0]} (AUC {area:.3f})" for kind, area in areas.items()]
    assert roc.get_xlabel() == "irrelevant queries to memory" and roc.get_ylabel() == "edits, paraphrases to memory"


def test_bars_of_layers_are_those_of_the_table(runs):
    table = layer.table(inputs_of("layer", runs)).frame
    [strip] = drawn("layer", runs).subfigs
    [axes] = strip.axes
    assert strip.get_suptitle() == "WISE-Retrieve on factworld-qa, factlm, T=10"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("edited layer, counted from 0", "score")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "2", "10"]
    found = heights(axes)
    assert list(found) == [METRICS[metric].title for metric in layer.BARS]
    for metric, bars in zip(layer.BARS, axes.containers[1::2], strict=True):
        assert found[METRICS[metric].title] == pytest.approx(
            means(table, metric=metric).sort_values("layer")["mean"].tolist()
        )
        assert {to_hex(bar.get_facecolor()).upper() for bar in bars} == {METRIC_COLOURS[metric]}
    [(label, line)] = lines_by_label(axes).items()
    average = means(
        main_table.table(inputs_of("main_table", runs)).frame,
        dataset="factworld-qa",
        editor="grace",
        metric="avg",
        T=10,
    )
    assert label == "GRACE average at the same T" and line.get_ydata()[0] == pytest.approx(average["mean"].item())
    assert to_hex(line.get_color()).upper() == editor_style("grace").colour.upper()


def test_small_overlaps_fit_into_their_cells():
    written = [shards.short(value) for value in (7.3e-10, 0.00041, 0.0041, 0.047, 0.36, 1.0)]
    assert written == ["7e-10", "4e-4", ".0041", ".047", ".36", "1"]


def test_the_heat_map_of_shards_has_the_averages(runs):
    cells = shards.by_shards(inputs_of("shards", runs))
    [strip] = drawn("shards", runs).subfigs
    average, overlap = strip.axes[:2]
    for axes, title, value in (
        (average, "Avg (Rel, Gen, Loc far)", "mean"),
        (overlap, r"expected overlap $\rho^k$", "overlap"),
    ):
        assert axes.get_title().startswith(title)
        assert (axes.get_xlabel(), axes.get_ylabel()) == (r"mask ratio $\rho$", "shards k")
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0.1", "0.5"]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["2", "4"]
        shown = np.ma.filled(axes.collections[0].get_array().reshape(2, 2).astype(float), np.nan)
        assert shown == pytest.approx(shards.grid(cells, value).to_numpy(), nan_ok=True)


def test_bars_of_generation_are_those_of_the_table(runs):
    table = generation.table(inputs_of("generation", runs)).frame
    [strip] = drawn("generation", runs).subfigs
    [axes] = strip.axes
    assert (axes.get_title(), axes.get_ylabel()) == ("T=10", "edits answered exactly\n95% intervals (records only)")
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["once\nlast token", "each step\nlast token", "each step\nmean of text"]
    found, dashed = heights(axes), lines_by_label(axes)
    for metric, (label, colour) in generation.BARS.items():
        wide = means(table, metric=metric).set_index(["routing", "positions"])["mean"]
        wanted = [wide["prefill", "last"], wide["per_step", "last"], wide["per_step", "tokens"]]
        published = dashed[f"{label}, published ({generation.PUBLISHED[metric]:.3f})"]
        assert found[label] == pytest.approx(wanted) and published.get_ydata()[0] == generation.PUBLISHED[metric]
        assert published.get_color() == colour


@pytest.mark.parametrize("name", ["switches", "locate"])
def test_dots_of_switches_are_the_differences_of_the_table(name, runs):
    table = switches.table(inputs_of(name, runs)).frame
    [strip] = drawn(name, runs).subfigs
    axes = panel(strip, "WISE-Retrieve")
    assert strip.get_supxlabel() == "difference of Avg to the first variant (refined), 95% intervals (records only)"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["activation ffn", "convention paper"]
    for dots, count, colour in zip(
        axes.containers, (1, 10), ("#888888", editor_style("wise-retrieve").colour), strict=True
    ):
        wanted = means(table, T=count).dropna(subset="difference").set_index("variant")
        assert dots.get_label() == f"T={count}" and to_hex(dots.lines[0].get_color()).upper() == colour.upper()
        assert dots.lines[0].get_xdata() == pytest.approx(wanted["difference"].to_numpy())
        ends = np.array([segment[:, 0] for segment in dots.lines[2][0].get_segments()])
        assert ends == pytest.approx(wanted[["low", "high"]].to_numpy(), abs=1e-12)


def test_distances_and_radii_of_grace_are_drawn(runs):
    rows = grace_radius.read(inputs_of("grace_radius", runs))
    [strip] = drawn("grace_radius", runs).subfigs
    assert strip.axes[0].get_ylabel() == "distance to nearest key"
    for radius in (1.0, 10.0):
        axes = panel(strip, f"first radius {radius:g}")
        assert [label.get_text() for label in axes.get_xticklabels()] == ["edit", "paraphrase", "near", "far"]
        dots = [found for found in axes.collections if isinstance(found, PathCollection)]
        shares = []
        for index, (kind, (_, colour)) in enumerate(QUERY_STYLES.items()):
            asked = means(rows, first_radius=radius, kind=kind)
            radii, distances = (
                np.sort(np.asarray(found.get_offsets())[:, 1]) for found in dots[2 * index : 2 * index + 2]
            )
            assert radii == pytest.approx(np.sort(asked["radius"])) and distances == pytest.approx(
                np.sort(asked["distance"])
            )
            assert to_hex(dots[2 * index + 1].get_edgecolors()[0]).upper() == colour
            shares.append(f"{asked['taken'].mean():.0%}")
        assert [text.get_text() for text in axes.texts] == shares


def test_costs_have_units_and_the_measured_values(runs):
    table = overhead.table(inputs_of("overhead", runs)).frame
    upper, middle, lower = drawn("overhead", runs).subfigs
    [inference] = upper.axes
    assert upper.get_suptitle().startswith("inference time") and inference.get_ylabel() == "ratio"
    for editor, line in zip(EDITORS, lines_by_label(inference).values(), strict=True):
        assert styled(line, editor)
        assert line.get_ydata() == pytest.approx(means(table, editor=editor)["inference_ratio"].to_numpy())
    for axes, column in zip(middle.axes, ("operations_ratio", "extra_parameters_ratio", "memory_ratio"), strict=True):
        drawn_last = [line.get_ydata()[-1] for line in axes.get_lines()]
        measured = means(table, T=300).set_index("editor").loc[EDITORS, column].to_numpy()
        assert drawn_last == pytest.approx((measured if column.startswith("op") else 100 * measured).tolist())
    units = {
        "MiB": ("peak_memory_bytes", 2**-20),
        "seconds": ("edit_seconds", 1),
    }
    last = means(table, T=300).set_index("editor").loc[EDITORS[::-1]]
    for axes, (unit, (column, factor)) in zip(lower.axes, units.items(), strict=True):
        assert axes.get_xlabel() == unit and axes.get_title().endswith("T=300")
        assert [bar.get_width() for bar in axes.patches] == pytest.approx((last[column] * factor).tolist())
        assert [to_hex(bar.get_facecolor()).upper() for bar in axes.patches] == [
            editor_style(editor).colour.upper() for editor in EDITORS[::-1]
        ]


def test_bins_of_routing_scores_reach_to_the_threshold():
    """Scores that all lie far above it would else fall into bins too thin to be seen."""
    edges = routing._edges(np.array([0.9995, 1.0]), np.array([0.5, np.inf]))
    assert edges[0] == 0.5 and edges[-1] == 1.0
    wide = routing._edges(np.array([0.1, 100.0]), np.array([-1.0, 200.0]))
    assert wide[0] == pytest.approx(0.1) and wide[-1] == pytest.approx(200.0)
