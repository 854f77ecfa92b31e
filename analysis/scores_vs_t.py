"""Scores against the number of edits, one line with its 95% band per editor."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.axes import band, editor_handles, edits_axis, share_axis, stacked
from analysis.inputs import Inputs
from analysis.style import WIDTH, editor_style, in_order, settings
from analysis.summary import summarise
from wise.evaluate.metrics import METRICS

PANELS = ("rel", "gen", "loc_far", "loc_near", "avg")
OTHERS = ("ood", "ppl")
"""Shown in place of panels that a setting has no questions for, as hallucination has no paraphrases."""

SPREAD = 1.15
"""Editors stand side by side up to this factor around each T, so that equal scores do not hide one another."""


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    return draw(summarise(inputs.scores(), (*PANELS, *OTHERS)))


def draw(cells: pd.DataFrame) -> Figure:
    """Five panels and a legend for each dataset and model; `cells` as returned by `summarise`."""
    parts = settings(cells)
    shown_of = [panels_of(group) for _, group in parts]
    made, strips = stacked([title for title, _ in parts], WIDTH, [2.6 if len(s) <= 3 else 4.4 for s in shown_of])
    for strip, shown, (_, group) in zip(strips, shown_of, parts, strict=True):
        grid = strip.subplots(1 if len(shown) <= 3 else 2, 3).ravel()
        for axes, metric in zip(grid, shown, strict=False):
            _panel(axes, group[group["metric"] == metric], metric)
        for axes in grid[len(shown) :]:
            axes.set_axis_off()
        handles = editor_handles(group["editor"].unique())
        if len(grid) > len(shown):
            columns = 1 + (len(handles) > 9)
            grid[-1].legend(handles=handles, loc="center", ncols=columns, handlelength=2.8, title="95% bands")
        else:
            strip.legend(handles=handles, loc="outside lower center", ncols=6, handlelength=2.8)
    return made


def panels_of(cells: pd.DataFrame) -> list[str]:
    """The metrics to show: those of `PANELS` that exist, filled up from `OTHERS`."""
    there = set(cells["metric"])
    wanted = [metric for metric in PANELS if metric in there]
    spare = [metric for metric in OTHERS if metric in there]
    return wanted + spare[: len(PANELS) - len(wanted)]


def _panel(axes: Axes, cells: pd.DataFrame, metric: str) -> None:
    editors = in_order(cells["editor"])
    for editor, shift in zip(editors, np.geomspace(1 / SPREAD, SPREAD, len(editors)), strict=True):
        line = cells[cells["editor"] == editor].sort_values("T")
        band(axes, line["T"] * shift, line["mean"], line["low"], line["high"], editor_style(editor), len(editors))
    edits_axis(axes, cells["T"])
    if METRICS[metric].bounds == (0.0, 1.0):
        share_axis(axes)
    titles = {"avg": "Avg (Rel, Gen, Loc far)", "ppl": "PPL (lower is better)"}
    axes.set_title(titles.get(metric, METRICS[metric].title))
    axes.set_ylabel("perplexity" if metric == "ppl" else "score")
