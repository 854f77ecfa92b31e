"""The impossible triangle (paper, Figure 2): reliability, generalization and locality at the largest T."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.inputs import Inputs
from analysis.style import WIDTH, editor_style, in_order, setting_title
from analysis.summary import at_largest_t, summarise

CORNERS = {"rel": (90.0, "Reliability"), "gen": (210.0, "Generalization"), "loc_far": (330.0, "Locality (far)")}
"""Direction in degrees and label of each metric."""


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    return draw(at_largest_t(summarise(inputs.scores(), (*CORNERS, "avg"))))


def draw(cells: pd.DataFrame) -> Figure:
    """One triangle per dataset and model that has all three scores; legends list editors by their average."""
    complete = cells.groupby(["dataset", "model"]).filter(lambda group: set(CORNERS) <= set(group["metric"]))
    groups = list(complete.groupby(["dataset", "model"], sort=True))
    made = Figure(figsize=(WIDTH * 0.9, 3.4 * max(1, len(groups))), layout="constrained")
    if not groups:
        made.text(0.5, 0.5, "no dataset has reliability, generalization and far locality", ha="center")
    for index, (key, group) in enumerate(groups):
        axes = made.add_subplot(len(groups), 1, index + 1)
        _triangle(axes, group)
        axes.set_title(f"{setting_title(*key)}, T={group['T'].iloc[0]:,}", fontweight="bold")
    return made


def _triangle(axes: Axes, cells: pd.DataFrame) -> None:
    wide = cells.pivot(index="editor", columns="metric", values="mean")
    angles = np.deg2rad([angle for angle, _ in CORNERS.values()])
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # (3, 2)
    for level in (0.2, 0.4, 0.6, 0.8, 1.0):
        axes.fill(*(level * corners).T, facecolor="none", edgecolor="#CCCCCC", linewidth=1.0 if level == 1 else 0.5)
        if level < 1:
            axes.text(0, level, f"{level:.1f}", fontsize=6, color="#666666", ha="center", va="center", zorder=5,
                      bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6})  # fmt: skip
    for corner, (angle, label) in zip(corners, CORNERS.values(), strict=True):
        axes.plot([0, corner[0]], [0, corner[1]], color="#CCCCCC", linewidth=0.5)
        axes.text(*(1.07 * corner), label, ha="center", va="bottom" if angle == 90.0 else "top")
    by_average = sorted(in_order(wide.index), key=lambda name: -wide.loc[name, "avg"])
    for editor in by_average:
        style = editor_style(editor)
        points = wide.loc[editor, list(CORNERS)].to_numpy(dtype=float)[:, None] * corners  # (3, 1) * (3, 2) -> (3, 2)
        closed = np.vstack([points, points[:1]])
        axes.plot(*closed.T, color=style.colour, marker=style.marker, linestyle=style.line,
                  label=f"{style.label}  ({wide.loc[editor, 'avg']:.2f})")  # fmt: skip
    axes.set_aspect("equal", anchor="W")
    axes.set_xlim(-1.25, 1.25)
    axes.set_ylim(-0.68, 1.2)
    axes.set_axis_off()
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="editor (average)", handlelength=2.8)
