"""Layer placement (paper, Figure 4): the same edits written into every layer, GRACE's average as a line."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.axes import share_axis, stacked
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.sampled import bands, intervals
from analysis.style import METRIC_COLOURS, WIDTH, editor_style
from analysis.summary import summarise
from analysis.text import markdown, with_interval
from wise.evaluate.metrics import METRICS

BARS = ("rel", "gen", "loc_far", "loc_near")
METRIC_ORDER = (*BARS, "avg")
BY = ("dataset", "model", "editor", "T", "layer")
REFERENCE = "grace"


def table(inputs: Inputs) -> Table:
    """Long CSV (columns of `BY` and of `analysis.summary`) and a wide Markdown table."""
    cells = by_layer(inputs)
    return Table(cells, to_markdown(cells))


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    return draw(by_layer(inputs), averages(inputs))


def by_layer(inputs: Inputs) -> pd.DataFrame:
    """Means with intervals by layer; the layer of each file of scores is that of its run record."""
    scores = inputs.ablation(layer="layer")
    studied = scores[scores["editor"] != REFERENCE]
    return summarise(scores if studied.empty else studied, METRIC_ORDER, by=BY)


def averages(inputs: Inputs) -> pd.DataFrame | None:
    """GRACE's averages by T: on the edits of the study where it was run beside, else those of the main comparison."""
    scores = inputs.ablation(layer="layer")
    beside = scores[scores["editor"] == REFERENCE]
    rows = inputs.reference_scores() if beside.empty else beside
    return None if rows is None else summarise(rows, ("avg",))


def reference_average(reference: pd.DataFrame | None, dataset: str, model: str, count: int) -> float | None:
    """GRACE's average at T=`count`; None where it has no scores at that T."""
    if reference is None:
        return None
    place = ["dataset", "model", "editor", "T"]
    rows = reference[(reference[place] == (dataset, model, REFERENCE, count)).all(axis=1)]
    return None if rows.empty else float(rows["mean"].iloc[0])


def draw(cells: pd.DataFrame, reference: pd.DataFrame | None = None) -> Figure:
    """Grouped bars with 95% intervals by layer, one strip per dataset, model, editor and T."""
    groups = list(cells.groupby(list(BY[:-1]), sort=True))
    titles = [f"{editor_style(key[2]).label} on {key[0]}, {key[1]}, T={key[3]:,}" for key, _ in groups]
    layers = sorted(cells["layer"].unique())
    made, strips = stacked(titles, max(WIDTH * 0.75, min(14.0, 0.85 * len(layers) + 1.0)), 2.9)
    for strip, (key, group) in zip(strips, groups, strict=True):
        axes = strip.subplots()
        shown = [metric for metric in BARS if metric in set(group["metric"])]
        width = 0.8 / max(1, len(shown))
        for index, metric in enumerate(shown):
            bars = group[group["metric"] == metric].set_index("layer").reindex(layers)
            x = np.arange(len(layers)) + (index - (len(shown) - 1) / 2) * width
            error = [bars["mean"] - bars["low"], bars["high"] - bars["mean"]]
            axes.bar(x, bars["mean"], width * 0.92, color=METRIC_COLOURS[metric], label=METRICS[metric].title,
                     yerr=error, error_kw={"elinewidth": 0.8, "ecolor": "#333333"})  # fmt: skip
        line = reference_average(reference, key[0], key[1], key[3])
        if line is not None:
            style = editor_style(REFERENCE)
            axes.axhline(line, color=style.colour, linestyle="--", label=f"{style.label} average at the same T")
        axes.set_xticks(range(len(layers)), [str(layer) for layer in layers])
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("edited layer, counted from 0")
        axes.set_ylabel("score")
        share_axis(axes)
        axes.set_ylim(0, 1.04)
        axes.set_title(f"bars: {bands(group)}", fontsize=7)
        strip.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return made


def to_markdown(cells: pd.DataFrame) -> str:
    """One table per dataset, model, editor and T: a row per layer."""
    parts = []
    for key, group in cells.groupby(list(BY[:-1]), sort=True):
        shown = [metric for metric in METRIC_ORDER if metric in set(group["metric"])]
        rows = []
        for layer, line in group.groupby("layer", sort=True):
            by_metric = line.set_index("metric")[["mean", "low", "high"]]
            rows.append([str(layer), *(with_interval(*by_metric.loc[metric]) for metric in shown)])
        parts += [
            f"## {editor_style(key[2]).label} on {key[0]}, {key[1]}, T={key[3]}\n",
            f"{intervals(group)}\n",
            markdown(["Layer", *(METRICS[metric].title for metric in shown)], rows),
        ]
    return "\n".join(parts)
