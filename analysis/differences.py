"""Differences to the first variant of each editor as dots with their intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from analysis.axes import stacked
from analysis.sampled import bands
from analysis.style import WIDTH, editor_style, in_order, settings
from wise.evaluate.metrics import METRICS

LINEAR = 0.05
"""Differences are drawn to scale up to here and logarithmically beyond, where changes of many options lie."""
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Labelled differences on either side of zero; the least only where a row has one or two panels."""
WRAPPED, LINES = 54, 2
"""Letters in a line of a variant's name, and lines that fit into a row of the usual height."""
MARKED = (0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


def draw(compared: pd.DataFrame) -> Figure:
    """A strip for each dataset and model with a panel for each editor; `compared` as `analysis.switches` makes it."""
    groups = settings(compared)
    shown = [list(dict.fromkeys(group.dropna(subset="difference")["variant"])) for _, group in groups]
    heights = [1.14 + 0.24 * _heights(variants).sum() for variants in shown]
    made, strips = stacked([title for title, _ in groups], WIDTH, heights)
    for strip, (_, group), variants in zip(strips, groups, shown, strict=True):
        editors = in_order(group["editor"])
        panels = strip.subplots(1, len(editors), sharex=True, sharey=True, squeeze=False)[0]
        for axes, editor in zip(panels, editors, strict=True):
            _dots(axes, group[group["editor"] == editor], variants)
            axes.set_title(editor_style(editor).label)
        panels[0].set_yticks(_rows(variants), [textwrap.fill(name, WRAPPED) for name in variants], fontsize=6.5)
        panels[0].set_ylim(_heights(variants).sum(), 0)
        panels[0].set_xscale("symlog", linthresh=LINEAR, linscale=0.8)
        panels[0].set_xlim(*_range(group))
        labelled = TICKS if len(editors) <= 2 else TICKS[1:]
        panels[0].xaxis.set(major_locator=FixedLocator(_both_sides(labelled)), major_formatter=_signed,
                            minor_locator=FixedLocator(_both_sides(MARKED)))  # fmt: skip
        for axes in panels:
            axes.tick_params(axis="x", labelsize=6.5)
        title = METRICS[group["compared"].iloc[0]].title
        named = f"difference of {title} to the first variant ({_first(group)}), {bands(group.dropna(subset='covers'))}"
        strip.supxlabel(named, fontsize=8)
        strip.legend(handles=_handles(group["T"]), loc="outside upper right", ncols=4)
    return made


def _heights(variants: Sequence[str]) -> np.ndarray:
    """Height of each variant's row: that of its name, where it has many lines."""
    return np.array([max(1.0, len(textwrap.wrap(name, WRAPPED)) / LINES) for name in variants])


def _rows(variants: Sequence[str]) -> np.ndarray:
    """Middle of each variant's row, from the top."""
    heights = _heights(variants)
    return heights.cumsum() - heights / 2


def _dots(axes: Axes, compared: pd.DataFrame, variants: list[str]) -> None:
    """One editor: a dot with its interval for each variant and T, the largest T filled and topmost."""
    counts = sorted(compared["T"].unique())
    axes.axvline(0, color="#333333", linewidth=0.8)
    for index, count in enumerate(counts):
        rows = compared[compared["T"] == count].set_index("variant").reindex(variants)
        y = _rows(variants) + 0.34 * (len(counts) - 1 - index - (len(counts) - 1) / 2)
        colour = editor_style(compared["editor"].iloc[0]).colour if count == counts[-1] else "#888888"
        reach = [rows["difference"] - rows["low"], rows["high"] - rows["difference"]]
        error = [side.clip(lower=0.0) for side in reach]  # below 0 by rounding where all differences are equal
        axes.errorbar(rows["difference"], y, xerr=error, fmt="o", markersize=3.2, elinewidth=1.0, color=colour,
                      markerfacecolor=colour if count == counts[-1] else "white", label=f"T={count:,}")  # fmt: skip
    axes.grid(visible=False, axis="y")


def _handles(counts: pd.Series) -> list[Line2D]:
    """Legend of T, in no editor's colour."""
    distinct = sorted(counts.unique())
    looks = [("white", "#888888")] * (len(distinct) - 1) + [("#333333", "#333333")]
    return [
        Line2D([], [], marker="o", markersize=3.2, color=edge, markerfacecolor=face, label=f"T={count:,}")
        for count, (face, edge) in zip(distinct, looks, strict=True)
    ]


def _first(compared: pd.DataFrame) -> str:
    """The variant with which the others are compared, of each editor if they differ."""
    first = compared.groupby("editor", sort=False)["variant"].first()
    return " or ".join(dict.fromkeys(first))


def _range(compared: pd.DataFrame) -> tuple[float, float]:
    """Limits of the axis: all intervals, and the linear part."""
    ends = compared[["low", "high"]]
    return 1.15 * min(ends.min(axis=None), -LINEAR), 1.15 * max(ends.max(axis=None), LINEAR)


def _both_sides(values: Sequence[float]) -> list[float]:
    return sorted([*(-value for value in values), 0.0, *values])


def _signed(value: float, position: int) -> str:
    """A difference as short as possible: +.05, -.2, 0."""
    return f"{value:+g}".replace("0.", ".", 1) if value else "0"
