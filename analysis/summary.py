"""Means with intervals of any cells of a table of scores."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.sampled import estimate_of
from analysis.style import in_order
from wise.evaluate.metrics import Derived, get_metric
from wise.evaluate.scores import derive
from wise.evaluate.statistics import interval

LOG = logging.getLogger(__name__)

CELL = ("dataset", "model", "editor", "T")
COLUMNS = ("metric", "mean", "low", "high", "seeds", "edits", "covers")
"""What `summarise` says of each cell."""


def summarise(scores: pd.DataFrame, metrics: Sequence[str], by: Sequence[str] = CELL) -> pd.DataFrame:
    """One row per cell of `by` and metric with the columns `COLUMNS`: mean of the seeds' means and its 95% interval.

    `edits` counts distinct records; `covers` says what the interval speaks about. Cells without values of a metric have
    no row. Editors and metrics come in the order of figures and of `metrics`.
    """
    scores = with_derived(scores, metrics)
    scores = scores[scores["metric"].isin(metrics)]
    scores = scores.assign(record=pd.factorize(scores["record"])[0])  # numbers are faster to tell apart
    rows = []
    for cell, group in scores.groupby([*by, "metric"], sort=True):
        found = estimate_of(group)
        ends = interval(found, get_metric(cell[-1]).bounds)
        rows.append((*cell, found.mean, ends.low, ends.high, found.seeds, found.records, found.covers))
    return sort_cells(pd.DataFrame(rows, columns=[*by, *COLUMNS]), metrics, by)


def with_derived(scores: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Scores with rows for those of `metrics` that are derived when aggregating, such as `ppl`."""
    for name in metrics:
        metric = get_metric(name)
        if isinstance(metric, Derived) and not metric.stored:
            parts = scores[scores["metric"].isin(metric.parts)]
            bad = int(np.count_nonzero(~np.isfinite(parts["value"])))
            if bad:
                worst = float(metric.combine(*(np.array([np.inf]) for _ in metric.parts))[0])
                LOG.warning("%d of %d values behind '%s' are not finite and count as %g",
                            bad, len(parts), name, worst)  # fmt: skip
            keys = [column for column in scores.columns if column not in ("metric", "value")]
            scores = pd.concat([scores, derive(scores, metric, keys)], ignore_index=True)
    return scores


def sort_cells(frame: pd.DataFrame, metrics: Sequence[str], by: Sequence[str] = CELL) -> pd.DataFrame:
    """Rows sorted by `by` and metric, with editors in the order of figures."""
    orders: dict[str, list] = {"metric": list(metrics)}
    if "editor" in by:
        orders["editor"] = in_order(frame["editor"])

    def rank(column: pd.Series) -> pd.Series:
        order = orders.get(str(column.name))
        return column.map({name: i for i, name in enumerate(order)}) if order else column

    return frame.sort_values([*by, "metric"], key=rank, kind="stable", ignore_index=True)


def at_largest_t(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of each dataset and model at its largest number of edits."""
    return frame[frame["T"] == frame.groupby(["dataset", "model"])["T"].transform("max")]
