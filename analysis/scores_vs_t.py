"""Scores against the number of edits, one line with its 95% band per editor."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from analysis.axes import band, editor_handles, edits_axis, family_grid, metric_axis, metric_title, stacked
from analysis.inputs import Inputs
from analysis.sampled import bands
from analysis.style import CROWD, WIDTH, editor_style, families, in_order
from analysis.summary import summarise
from analysis.task_type import HEADINGS, Setting, by_setting

SPREAD = 1.15
"""Editors stand side by side up to this factor around each T, so that equal scores do not hide one another."""


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    return draw(summarise(inputs.scores(), tuple(HEADINGS)))


def draw(cells: pd.DataFrame) -> Figure:
    """A strip for each dataset and model with a panel per metric, and a row per family where editors are many."""
    parts = [(title, panels_of(setting, group), group) for title, setting, group in by_setting(cells)]
    made, strips = stacked(
        [title for title, _, _ in parts], WIDTH, [_height(shown, group) for _, shown, group in parts]
    )
    for strip, (_, shown, group) in zip(strips, parts, strict=True):
        if group["editor"].nunique() > CROWD:
            family_grid(strip, group, shown, "T", lambda axes, counts=group["T"]: edits_axis(axes, counts))
        else:
            _few(strip, group, shown)
    return made


def panels_of(setting: Setting, cells: pd.DataFrame) -> list[str]:
    """The headline metrics, and near locality where it was asked beside the far one; the average last."""
    near = [metric for metric in ("loc_near",) if metric in set(cells["metric"]) - set(setting.headline)]
    averages = [metric for metric in setting.headline if metric not in setting.parts]
    return [*setting.parts, *near, *averages]


def _height(shown: list[str], cells: pd.DataFrame) -> float:
    """Inches of a strip."""
    rows = families(cells["editor"])
    return 1.0 + 1.2 * len(rows) if len(rows) > 1 else 2.6 if len(shown) <= 3 else 4.4


def _few(strip: SubFigure, cells: pd.DataFrame, shown: list[str]) -> None:
    """Up to three panels in a row, all editors in each."""
    grid = strip.subplots(1 if len(shown) <= 3 else 2, min(3, len(shown)), squeeze=False).ravel()
    for axes, metric in zip(grid, shown, strict=False):
        _panel(axes, cells[cells["metric"] == metric], metric)
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    handles = editor_handles(cells["editor"].unique())
    if len(grid) > len(shown):
        grid[-1].legend(handles=handles, loc="center", handlelength=2.8, title=f"bands: {bands(cells)}")
    else:
        strip.legend(
            handles=handles, loc="outside lower center", ncols=6, handlelength=2.8, title=f"bands: {bands(cells)}"
        )


def _panel(axes: Axes, cells: pd.DataFrame, metric: str) -> None:
    editors = in_order(cells["editor"])
    for editor, shift in zip(editors, np.geomspace(1 / SPREAD, SPREAD, len(editors)), strict=True):
        line = cells[cells["editor"] == editor].sort_values("T")
        band(axes, line["T"] * shift, line["mean"], line["low"], line["high"], editor_style(editor))
    edits_axis(axes, cells["T"])
    metric_axis(axes, metric)
    axes.set_title(metric_title(metric))
    axes.set_ylabel("perplexity" if metric == "ppl" else "score")
