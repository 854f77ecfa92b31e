"""The impossible triangle (paper, Figure 2): reliability, generalization and locality at the largest T."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from analysis.axes import metric_title, perplexity_ticks, share_axis, stacked
from analysis.inputs import Inputs
from analysis.sampled import bands
from analysis.style import CONTEXT, CROWD, WIDTH, editor_style, families, in_order
from analysis.summary import at_largest_t, summarise
from analysis.task_type import HEADINGS, Setting, by_setting
from wise.evaluate.metrics import METRICS

ANGLES = np.deg2rad([90.0, 210.0, 330.0])
CORNERS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
"""Unit vectors to the three corners, shape (3, 2)."""
COLUMNS = 3


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    return draw(at_largest_t(summarise(inputs.scores(), tuple(HEADINGS))))


def draw(cells: pd.DataFrame) -> Figure:
    """A strip for each dataset and model with three corners; perplexity against locality where there is none."""
    parts = by_setting(cells)
    triangles = [part for part in parts if part[1].corners]
    shown = triangles or parts
    titles = [f"{title}, T={group['T'].iloc[0]:,}" for title, _, group in shown]
    made, strips = stacked(titles, WIDTH, [_height(group) if triangles else 3.4 for _, _, group in shown])
    for strip, (_, setting, group) in zip(strips, shown, strict=True):
        (_triangles if triangles else _scatter)(strip, group, setting)
    return made


def _height(cells: pd.DataFrame) -> float:
    """Inches of a strip."""
    panels = families(cells["editor"])
    return 3.4 if len(panels) == 1 else 0.4 + 2.75 * -(-len(panels) // COLUMNS)


def _triangles(strip: SubFigure, cells: pd.DataFrame, setting: Setting) -> None:
    """One triangle, or one for each family with the editors of the others as pale outlines."""
    wide = cells.pivot(index="editor", columns="metric", values="mean")
    panels = families(wide.index)
    few = len(panels) == 1
    grid = strip.subplots(-(-len(panels) // COLUMNS), min(COLUMNS, len(panels)), squeeze=False).ravel()
    for axes, (family, editors) in zip(grid, panels, strict=False):
        _frame(axes, setting, few)
        for other in () if few else wide.index.difference(editors):
            axes.plot(*_outline(wide, other, setting), color=CONTEXT, linewidth=0.6, zorder=0.8)
        handles = [_outlined(axes, wide, editor, setting) for editor in in_order(editors)]
        place = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if few else {
            "loc": "upper center", "bbox_to_anchor": (0.5, 0.02), "ncols": 1}  # fmt: skip
        legend = axes.legend(handles=handles, title=family or "editor (average)", handlelength=2.8, **place)
        legend.get_title().set_fontweight("bold" if family else "normal")
    left = grid[len(panels) :]
    for axes in left:
        axes.set_axis_off()
    for axes in left[:1]:
        axes.text(0.5, 0.5, "In parentheses: the mean\nof the three scores.\nPale: the other editors.", fontsize=8,
                  ha="center", va="center", transform=axes.transAxes)  # fmt: skip


def _frame(axes: Axes, setting: Setting, labelled: bool) -> None:
    """The empty triangle with lines of equal scores."""
    for level in (0.2, 0.4, 0.6, 0.8, 1.0):
        axes.fill(*(level * CORNERS).T, facecolor="none", edgecolor="#BBBBBB" if level == 1 else "#E2E2E2",
                  linewidth=1.0 if level == 1 else 0.5, zorder=0.5)  # fmt: skip
        if labelled and level < 1:
            axes.text(0, level, f"{level:.1f}", fontsize=6, color="#666666", ha="center", va="center", zorder=5,
                      bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6})  # fmt: skip
    for corner, metric in zip(CORNERS, setting.corners, strict=True):
        axes.plot([0, corner[0]], [0, corner[1]], color="#CCCCCC", linewidth=0.5, zorder=0.5)
        name = _corner(metric)
        x, y = 1.07 * corner
        axes.text(x, y, name, ha="center", va="bottom" if corner[1] > 0 else "top",
                  fontsize=8 if labelled else 7)  # fmt: skip
    axes.set_aspect("equal", anchor="W" if labelled else "N")
    axes.set_xlim(-1.25, 1.25)
    axes.set_ylim(-0.68, 1.2)
    axes.set_axis_off()


def _corner(metric: str) -> str:
    """Name of a corner, at most two words and which locality it is."""
    words, heading = METRICS[metric].words, HEADINGS[metric]
    name = words.capitalize() if " " not in words else f"{heading} text"
    return name + {"loc_far": " (far)", "loc_near": " (near)"}.get(metric, "")


def _outline(wide: pd.DataFrame, editor: str, setting: Setting) -> np.ndarray:
    """x and y of an editor's triangle, closed: shape (2, 4)."""
    points = wide.loc[editor, list(setting.corners)].to_numpy(dtype=float)[:, None] * CORNERS  # (3, 1) * (3, 2)
    return np.vstack([points, points[:1]]).T


def _outlined(axes: Axes, wide: pd.DataFrame, editor: str, setting: Setting) -> Line2D:
    """Draw one editor; returns its legend handle, with the average."""
    style = editor_style(editor)
    (line,) = axes.plot(*_outline(wide, editor, setting), color=style.colour, marker=style.marker,
                        linestyle=style.line, markeredgewidth=0.9,
                        label=f"{style.label}  ({wide.loc[editor, setting.summary]:.2f})")  # fmt: skip
    return line


def _scatter(strip: SubFigure, cells: pd.DataFrame, setting: Setting) -> None:
    """The first headline metric against the second, with both intervals."""
    axes = strip.subplots()
    x, y = setting.headline[:2]
    wide = cells.set_index(["editor", "metric"])
    for editor in in_order(cells["editor"]):
        style = editor_style(editor)
        across, up = wide.loc[(editor, x)], wide.loc[(editor, y)]
        axes.errorbar(across["mean"], up["mean"], color=style.colour, marker=style.marker, linestyle="",
                      xerr=[[across["mean"] - across["low"]], [across["high"] - across["mean"]]],
                      yerr=[[up["mean"] - up["low"]], [up["high"] - up["mean"]]], elinewidth=0.8,
                      markersize=6, label=style.label)  # fmt: skip
    share_axis(axes)
    if x == "ppl":
        axes.set_xscale("log")
        perplexity_ticks(axes.xaxis)
    axes.set_xlabel(metric_title(x))
    axes.set_ylabel(metric_title(y))
    axes.set_title(f"lines: {bands(cells)}", fontsize=7)
    columns = 1 if cells["editor"].nunique() <= 2 * CROWD else 2
    strip.legend(*axes.get_legend_handles_labels(), loc="outside right center", ncols=columns)
