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
    parts = [measure(rows, metric) for metric in METRICS.values() if isinstance(metric, Measured)]
    scores = pd.concat(parts, ignore_index=True)
    for metric in METRICS.values():
        if isinstance(metric, Derived) and metric.stored:
            scores = pd.concat([scores, derive(scores, metric, EXAMPLE)], ignore_index=True)
    for column in RUN_COLUMNS:
        scores[column] = run[column]
    return scores.loc[:, list(COLUMNS)]


def measure(rows: pd.DataFrame, metric: Measured) -> pd.DataFrame:
    """One row per edit with the mean of a measured metric over the edit's questions of its kind."""
    asked = rows[rows["kind"] == metric.kind]
    values = asked[[*EXAMPLE, "name"]].assign(value=metric.measure(asked)).dropna(subset="value")
    if metric.by_name:
        values = values.groupby([*EXAMPLE, "name"], as_index=False)["value"].mean()
    if values.duplicated(EXAMPLE).any():
        values = values.groupby(EXAMPLE, as_index=False)["value"].mean()
    return values[[*EXAMPLE, "value"]].assign(metric=metric.name)


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
