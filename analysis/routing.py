"""Routing scores at the largest T: distributions of each kind of query with the threshold, one panel per editor."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.axes import stacked
from analysis.inputs import Inputs
from analysis.style import QUERY_STYLES, WIDTH, editor_style, in_order, settings
from analysis.summary import at_largest_t
from wise.errors import NothingToShow
from wise.evaluate.metrics import MAIN

COLUMNS = ("T", "chunk", "record", "kind", "score", "threshold", "choice")
BINS = 48
WIDE = 30.0
"""Scores that are positive and span more than this ratio get a logarithmic axis."""


def figure(inputs: Inputs) -> Figure:
    """Read the transcripts and draw them."""
    return draw(at_largest_t(routed(inputs.transcripts(COLUMNS))))


def routed(rows: pd.DataFrame) -> pd.DataFrame:
    """Questions of the kinds in `QUERY_STYLES` that an editor gave a finite routing score.

    Raises `NothingToShow` when there are none, as for editors that do not route.
    """
    kept = rows[rows["kind"].isin(QUERY_STYLES) & np.isfinite(rows["score"].astype(float))]
    if kept.empty:
        raise NothingToShow("There are no routing scores: none of these editors routes.")
    return kept


def draw(rows: pd.DataFrame) -> Figure:
    """One panel per routing editor for each dataset and model; `rows` of one T each."""
    parts = settings(rows)
    titles = [f"{title}, T={group['T'].iloc[0]:,}" for title, group in parts]
    columns = min(3, max(group["editor"].nunique() for _, group in parts))
    lines = max(-(-group["editor"].nunique() // columns) for _, group in parts)
    made, strips = stacked(titles, 1.2 + WIDTH * (0.45, 0.7, 0.95)[columns - 1], 2.3 * lines + 0.4)
    for strip, (_, group) in zip(strips, parts, strict=True):
        grid = strip.subplots(lines, columns, squeeze=False).ravel()
        editors = in_order(group["editor"])
        for index, (axes, editor) in enumerate(zip(grid, editors, strict=False)):
            distributions(axes, group[group["editor"] == editor], named=index % columns == 0)
            axes.set_title(editor_style(editor).label)
        for axes in grid[len(editors) :]:
            axes.set_axis_off()
    return made


def distributions(axes: Axes, rows: pd.DataFrame, named: bool = True) -> None:
    """One histogram per kind of query, one above the other on one score axis, with the range of thresholds.

    At the right stands the share of queries that a memory answered; `named` writes the kinds at the left.
    """
    scores = rows["score"].to_numpy(dtype=float)
    edges = _edges(scores, rows["threshold"].to_numpy(dtype=float))
    kinds = [kind for kind in QUERY_STYLES if (rows["kind"] == kind).any()]
    axes.text(1.01, 1.0, "to\nmemory", transform=axes.transAxes, fontsize=6.5, va="top")
    for index, kind in enumerate(reversed(kinds)):
        label, colour = QUERY_STYLES[kind]
        asked = rows[rows["kind"] == kind]
        counts, _ = np.histogram(asked["score"].to_numpy(dtype=float), bins=edges)
        axes.stairs(index + 0.82 * counts / counts.max(), edges, baseline=index, fill=True, color=colour, alpha=0.75)
        axes.axhline(index, color=colour, linewidth=0.8)
        share = (asked["choice"] != MAIN).mean()
        axes.text(1.01, index + 0.3, f"{share:.0%}", color=colour, transform=axes.get_yaxis_transform(), fontsize=7.5)
    labels = [QUERY_STYLES[kind][0] if named else "" for kind in reversed(kinds)]
    axes.set_yticks(np.arange(len(kinds)) + 0.3, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(0, len(kinds) + 0.2)
    axes.grid(visible=False, axis="y")
    if is_wide(scores):
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("routing score")
    threshold_span(axes, rows["threshold"])


def threshold_span(axes: Axes, thresholds: pd.Series) -> None:
    """The median threshold as a dashed line and the range of all of them as a grey band."""
    values = thresholds.to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return
    if values.min() < values.max():
        axes.axvspan(values.min(), values.max(), color="#000000", alpha=0.08, linewidth=0)
    axes.axvline(float(np.median(values)), color="#000000", linestyle="--", linewidth=1.0)
    left = axes.transAxes.inverted().transform(axes.transData.transform((np.median(values), 0)))[0] > 0.6
    axes.annotate("threshold", (float(np.median(values)), 1.0), xycoords=("data", "axes fraction"), fontsize=7,
                  xytext=(-3 if left else 3, -2), textcoords="offset points", ha="right" if left else "left",
                  va="top")  # fmt: skip


def is_wide(scores: np.ndarray) -> bool:
    """Whether scores are better read on a logarithmic axis."""
    return bool(scores.min() > 0 and scores.max() / scores.min() > WIDE)


def _edges(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Edges of bins from the least to the greatest of all; scores alone could lie in bins too thin to be seen."""
    wide = is_wide(scores)
    beside = thresholds[np.isfinite(thresholds) & ((thresholds > 0) | (not wide))]
    shown = np.concatenate([scores, beside])
    low, high = shown.min(), shown.max()
    if low == high:
        return np.linspace(low - 0.5, high + 0.5, BINS + 1)
    return np.geomspace(low, high, BINS + 1) if wide else np.linspace(low, high, BINS + 1)
