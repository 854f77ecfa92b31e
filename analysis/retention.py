"""Retention by age: the score of an edit against the number of edits made after it, at the largest T."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.axes import band, editor_handles, share_axis, stacked
from analysis.inputs import Inputs
from analysis.style import WIDTH, editor_style, in_order, settings
from analysis.summary import at_largest_t, summarise
from wise.evaluate.metrics import METRICS

PANELS = ("rel", "gen")
BINS = 10


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    return draw(by_age(inputs.scores()))


def by_age(scores: pd.DataFrame, metrics: Sequence[str] = PANELS) -> pd.DataFrame:
    """Mean and 95% interval of each metric in up to ten bins of equal width over ages 0 .. T-1.

    The column `later` is the middle of the bin. Raises nothing for T=1, which has one bin.
    """
    last = at_largest_t(scores[scores["metric"].isin(metrics)])
    width = np.maximum(1.0, last["T"] / BINS)
    index = np.floor(last["age"] / width)
    later = (index + 0.5) * width - 0.5  # the mean age of a full bin
    return summarise(last.assign(later=later), metrics, by=("dataset", "model", "editor", "T", "later"))


def draw(cells: pd.DataFrame) -> Figure:
    """One panel per metric for each dataset and model."""
    parts = settings(cells)
    made, strips = stacked([f"{title}, T={group['T'].iloc[0]:,}" for title, group in parts], WIDTH, 2.9)
    for strip, (_, group) in zip(strips, parts, strict=True):
        shown = [metric for metric in PANELS if metric in set(group["metric"])]
        for axes, metric in zip(strip.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            cells_of = group[group["metric"] == metric]
            editors = in_order(cells_of["editor"])
            for editor in editors:
                line = cells_of[cells_of["editor"] == editor]
                band(axes, line["later"], line["mean"], line["low"], line["high"], editor_style(editor), len(editors))
            share_axis(axes)
            axes.set_xlim(left=0)
            axes.set_title(METRICS[metric].title)
            axes.set_xlabel("edits made after this one")
            axes.set_ylabel("score")
        strip.legend(handles=editor_handles(group["editor"].unique()), loc="outside right center", handlelength=2.8)
    return made
