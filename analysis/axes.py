"""Pieces that several figures share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from analysis.sampled import bands
from analysis.style import CONTEXT, CROWD, UNEDITED, EditorStyle, editor_style, families, in_order
from analysis.task_type import HEADINGS
from wise.evaluate.metrics import METRICS

CLOSE = 0.2
"""Ticks nearer than this share of a logarithmic axis get their labels in two lines."""


def edits_axis(axes: Axes, counts: Sequence[int]) -> None:
    """A logarithmic x axis with one tick at each number of edits that was measured."""
    counts = sorted(set(map(int, counts)))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels(_apart(counts))
    axes.set_xlabel("edits T")


def share_axis(axes: Axes) -> None:
    """A y axis from 0 to 1 with room for markers at both ends."""
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks(np.linspace(0, 1, 6))


def metric_axis(axes: Axes, metric: str) -> None:
    """The y axis of a metric: from 0 to 1 where it is a share, logarithmic for perplexities."""
    if is_share(metric):
        share_axis(axes)
    elif metric == "ppl":
        axes.set_yscale("log")
        perplexity_ticks(axes.yaxis)


def perplexity_ticks(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis of perplexities."""
    axis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_locator=NullLocator())


def is_share(metric: str) -> bool:
    """Whether a metric goes from 0 to 1."""
    return METRICS[metric].bounds == (0.0, 1.0)


def metric_title(metric: str) -> str:
    """What is written above the panel of a metric."""
    if HEADINGS.get(metric) == "Avg":
        return "Avg"
    return METRICS[metric].title + ("" if METRICS[metric].direction == "higher" else " (lower is better)")


def band(axes: Axes, x: Sequence[float], mean: Sequence[float], low: Sequence[float], high: Sequence[float],
         style: EditorStyle) -> None:  # fmt: skip
    """A line with markers and its interval as a band in the colour of an editor."""
    axes.fill_between(x, low, high, color=style.colour, alpha=0.16, linewidth=0)
    axes.plot(x, mean, color=style.colour, marker=style.marker, linestyle=style.line, markeredgewidth=0.9,
              label=style.label)  # fmt: skip


def editor_handles(editors: Sequence[str]) -> list[Line2D]:
    """Legend handles of editors, in the order of the tables."""
    styles = [editor_style(name) for name in in_order(editors)]
    return [
        Line2D([], [], color=s.colour, marker=s.marker, linestyle=cast(Any, s.line), markeredgewidth=0.9, label=s.label)
        for s in styles
    ]


def family_grid(strip: SubFigure, cells: pd.DataFrame, metrics: Sequence[str], x: str,
                finish: Callable[[Axes], None]) -> None:  # fmt: skip
    """A row of panels for each family of editors, one for each metric, with the family's legend at the right.

    `cells` holds rows of `summarise` with the column `x`. Few editors share one row. In each of several, the editors
    of other families are pale lines and the unedited model is dotted; `finish` completes the x axis of a panel.
    """
    rows = families(cells["editor"])
    crowded = cells["editor"].nunique() > CROWD
    grid = strip.subplots(len(rows), len(metrics), sharex=True, sharey="col", squeeze=False)
    for place, (line, (family, editors)) in enumerate(zip(grid, rows, strict=True), 1):
        for axes, metric in zip(line, metrics, strict=True):
            of_metric = cells[cells["metric"] == metric]
            _family_panel(axes, of_metric, editors, x)
            metric_axis(axes, metric)
            finish(axes)
            axes.tick_params(labelleft=metric == metrics[0] or not (is_share(metric) and is_share(metrics[0])))
            axes.set_xlabel(axes.get_xlabel() if place == len(rows) else "")
        legend = line[-1].legend(handles=editor_handles(editors), loc="center left", bbox_to_anchor=(1.02, 0.5),
                                 title=family, handlelength=2.6, alignment="left")  # fmt: skip
        legend.get_title().set_fontweight("bold")
    for axes, metric in zip(grid[0], metrics, strict=True):
        axes.set_title(metric_title(metric), fontsize=8 if crowded else None)
    if crowded:
        strip.legend(handles=context_handles(cells["editor"].unique()), loc="outside lower left", ncols=2,
                     title=f"bands: {bands(cells)}", alignment="left")  # fmt: skip
    else:
        strip.supxlabel(f"bands: {bands(cells)}", fontsize=7)


def context_handles(editors: Sequence[str]) -> list[Line2D]:
    """Legend handles of what is the same in the panels of all families."""
    unedited = [name for name in editors if editor_style(name).family == UNEDITED]
    return [*editor_handles(unedited), Line2D([], [], color=CONTEXT, label="editors of the other rows")]


def _family_panel(axes: Axes, cells: pd.DataFrame, editors: Sequence[str], x: str) -> None:
    """One metric: the named editors with their bands over the pale lines of all others."""
    everybody = in_order(cells["editor"])
    unedited = [name for name in everybody if editor_style(name).family == UNEDITED]
    for editor in everybody:
        line = cells[cells["editor"] == editor].sort_values(x)
        if editor in editors or editor in unedited:
            band(axes, line[x], line["mean"], line["low"], line["high"], editor_style(editor))
        else:
            axes.plot(line[x], line["mean"], color=CONTEXT, linewidth=0.8, zorder=0.5)


def stacked(titles: Sequence[str], width: float, height: float | Sequence[float]) -> tuple[Figure, list[SubFigure]]:
    """A figure with one strip for each title (dataset and model), one above the other; sizes in inches."""
    heights = [height] * len(titles) if isinstance(height, int | float) else list(height)
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    strips = figure.subfigures(len(titles), 1, squeeze=False, height_ratios=heights)[:, 0]
    for strip, title in zip(strips, titles, strict=True):
        strip.suptitle(title, fontsize=9, fontweight="bold")
    return figure, list(strips)


def _apart(counts: Sequence[int]) -> list[str]:
    """Labels of ticks; one that would touch the label before it is written a line lower."""
    labels: list[str] = []
    span = log(counts[-1] / counts[0]) or 1.0
    for index, count in enumerate(counts):
        close = index > 0 and log(count / counts[index - 1]) / span < CLOSE and not labels[-1].startswith("\n")
        labels.append(f"\n{count:,}" if close else f"{count:,}")
    return labels
