"""Pieces that several figures share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from analysis.style import EditorStyle, editor_style, in_order


def edits_axis(axes: Axes, counts: Sequence[int]) -> None:
    """A logarithmic x axis with one tick at each number of edits that was measured."""
    counts = sorted(set(map(int, counts)))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{count:,}" for count in counts])
    axes.set_xlabel("edits T")


def share_axis(axes: Axes) -> None:
    """A y axis from 0 to 1 with room for markers at both ends."""
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks(np.linspace(0, 1, 6))


def band(axes: Axes, x: Sequence[float], mean: Sequence[float], low: Sequence[float], high: Sequence[float],
         style: EditorStyle, crowd: int = 1) -> None:  # fmt: skip
    """A line with markers and its interval as a band in the colour of an editor, paler among a `crowd` of editors."""
    axes.fill_between(x, low, high, color=style.colour, alpha=0.16 if crowd <= 6 else 0.07, linewidth=0)
    axes.plot(x, mean, color=style.colour, marker=style.marker, linestyle=style.line, markeredgewidth=0.9,
              label=style.label)  # fmt: skip


def editor_handles(editors: Sequence[str]) -> list[Line2D]:
    """Legend handles of editors, in the order of the tables."""
    styles = [editor_style(name) for name in in_order(editors)]
    return [
        Line2D([], [], color=s.colour, marker=s.marker, linestyle=s.line, markeredgewidth=0.9, label=s.label)
        for s in styles
    ]


def stacked(titles: Sequence[str], width: float, height: float | Sequence[float]) -> tuple[Figure, list[SubFigure]]:
    """A figure with one strip for each title (dataset and model), one above the other; sizes in inches."""
    heights = [height] * len(titles) if isinstance(height, int | float) else list(height)
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    strips = figure.subfigures(len(titles), 1, squeeze=False, height_ratios=heights)[:, 0]
    for strip, title in zip(strips, titles, strict=True):
        strip.suptitle(title, fontsize=9, fontweight="bold")
    return figure, list(strips)
