"""From a transcript to scores: one row per edit and metric, the long table behind every table and figure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from wise.errors import DataError
from wise.evaluate.metrics import METRICS, Derived, Measured

LOG = logging.getLogger(__name__)

RUN_COLUMNS = ("dataset", "model", "editor", "seed")
EXAMPLE = ["T", "chunk", "edit", "age", "record"]
COLUMNS = (*RUN_COLUMNS, *EXAMPLE, "metric", "value")


def score_transcript(rows: pd.DataFrame, run: Mapping[str, Any]) -> pd.DataFrame:
    """Scores (columns `COLUMNS`) of a transcript; `run` names dataset, model, editor and seed.

    Several questions of one kind about one edit are averaged (portability: within each sub-kind, then over
    sub-kinds). An edit without questions of a kind has no row for its metrics. An infinite NLL stays +inf in the
    metric `nll` and is counted in a warning. Raises `DataError` for token lists that do not fit together.
    """
    missing = [key for key in RUN_COLUMNS if key not in run]
    if missing:
        raise DataError(f"run record lacks {', '.join(missing)}")
    check_tokens(rows)
    asked = by_kind(rows)
    wanted = [metric for metric in METRICS.values() if isinstance(metric, Measured) and metric.kind in asked]
    parts = [measure(asked[metric.kind], metric) for metric in wanted]
    scores = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*EXAMPLE, "value"])
    scores["metric"] = [metric.name for metric, part in zip(wanted, parts, strict=True) for _ in range(len(part))]
    for metric in METRICS.values():
        if isinstance(metric, Derived) and metric.stored:
            scores = pd.concat([scores, derive(scores, metric, EXAMPLE)], ignore_index=True)
    for column in RUN_COLUMNS:
        scores[column] = run[column]
    return scores.loc[:, list(COLUMNS)]


class Questions:
    """The questions of one kind in a transcript, and the number of the edit that each is about."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        keys = rows[EXAMPLE]
        self.edit = keys.groupby(EXAMPLE).ngroup().to_numpy()
        self.edits = keys.iloc[np.unique(self.edit, return_index=True)[1]]
        """The columns `EXAMPLE` of each edit, in the order of their numbers."""


def by_kind(rows: pd.DataFrame) -> dict[str, Questions]:
    """The questions of a transcript by their kind."""
    return {str(kind): Questions(group) for kind, group in rows.groupby("kind", sort=False)}


def measure(asked: Questions, metric: Measured) -> pd.DataFrame:
    """One row per edit (columns `EXAMPLE`, `value`) with the mean of a measured metric over the edit's questions."""
    values = pd.Series(metric.measure(asked.rows), index=asked.edit)
    if metric.by_name:
        values = values.groupby([asked.edit, asked.rows["name"].to_numpy()]).mean().droplevel(1)
    values = values.dropna()
    if not values.index.is_unique:
        values = values.groupby(level=0).mean()
    return asked.edits.iloc[values.index].assign(value=values.to_numpy())


def derive(scores: pd.DataFrame, metric: Derived, example: list[str]) -> pd.DataFrame:
    """Rows of a derived metric for the edits (named by the columns `example`) that have all its parts."""
    wanted = scores[scores["metric"].isin(metric.parts)]
    wide = wanted.set_index([*example, "metric"])["value"].unstack("metric")
    wide = wide.reindex(columns=list(metric.parts)).dropna()
    values = metric.combine(*(wide[part].to_numpy() for part in metric.parts))
    return wide.index.to_frame(index=False).assign(metric=metric.name, value=values)


def check_tokens(rows: pd.DataFrame) -> None:
    """Raise `DataError`, naming the record, where token lists are missing or differ in length; warn of bad NLLs."""
    lengths = {
        column: np.fromiter((0 if cell is None else len(cell) for cell in rows[column]), np.int64, len(rows))
        for column in ("target_tokens", "predicted_tokens", "before_tokens", "nll")
    }
    for column, length in lengths.items():
        wrong = np.flatnonzero((length != lengths["target_tokens"]) | (length == 0))
        if len(wrong):
            row = rows.iloc[wrong[0]]
            raise DataError(
                f"transcript: record '{row['record']}' ({row['kind']}, T={row['T']}) has {length[wrong[0]]} values in "
                f"'{column}' for {lengths['target_tokens'][wrong[0]]} target tokens"
            )
    bad = int(np.count_nonzero(~np.isfinite(np.concatenate(list(rows["nll"]))))) if len(rows) else 0
    if bad:
        LOG.warning("%d token NLLs are not finite; they count as +inf in nll and as 100 in the clipped ppl", bad)
