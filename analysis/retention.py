"""Retention by age: the score of an edit against the number of edits made after it, at the largest T."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.axes import family_grid, stacked
from analysis.inputs import Inputs
from analysis.style import WIDTH, families
from analysis.summary import at_largest_t, summarise
from analysis.task_type import by_setting

BINS = 10


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    return draw(by_age(inputs.scores()))


def by_age(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and 95% interval of the setting's metrics in up to ten bins of equal width over ages 0 .. T-1.

    The column `later` is the middle of the bin. Raises nothing for T=1, which has one bin.
    """
    last = at_largest_t(scores)
    width = np.maximum(1.0, last["T"] / BINS)
    index = np.floor(last["age"] / width)
    later = (index + 0.5) * width - 0.5  # the mean age of a full bin
    by = ("dataset", "model", "editor", "T", "later")
    parts = [summarise(rows, setting.parts, by=by) for _, setting, rows in by_setting(last.assign(later=later))]
    return pd.concat(parts, ignore_index=True)


def draw(cells: pd.DataFrame) -> Figure:
    """A strip for each dataset and model with a panel per metric, and a row per family where editors are many."""
    parts = by_setting(cells)
    titles = [f"{title}, T={group['T'].iloc[0]:,}" for title, _, group in parts]
    heights = [1.0 + 1.2 * max(1.3, len(families(group["editor"]))) for _, _, group in parts]
    made, strips = stacked(titles, WIDTH, heights)
    for strip, (_, setting, group) in zip(strips, parts, strict=True):
        family_grid(strip, group, setting.parts, "later", _age_axis)
    return made


def _age_axis(axes: Axes) -> None:
    axes.set_xlim(left=0)
    axes.set_xlabel("edits made after this one")
