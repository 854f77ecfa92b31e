"""Two sets of scores compared on the same edits, and a family of such comparisons corrected together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.sampled import estimate_of
from wise.evaluate.metrics import METRICS
from wise.evaluate.statistics import ALPHA, Comparison, compared, detectable, holm

COMPARED = ["difference", "low", "high", "p", "p_holm", "detectable", "pairs", "seeds", "edits", "covers"]
"""Columns of a comparison. `detectable` is the smallest true difference that would have been found with a chance of
80%, at the strictest step of the correction. `pairs` counts (seed, record), `edits` distinct records."""


def compare(rows: pd.DataFrame, others: pd.DataFrame, metric: str) -> Comparison | None:
    """Rows of scores of one metric minus others on the edits (seed, chunk, record) that both have; None without any."""
    keys = ["seed", "chunk", "record"]
    both = rows[[*keys, "value"]].merge(others[[*keys, "value"]], on=keys)
    if both.empty:
        return None
    low, high = METRICS[metric].bounds
    span = high - low if np.isfinite(high - low) else 0.0
    return compared(estimate_of(both.assign(difference=both["value_x"] - both["value_y"]), "difference"), span)


def described(found: Sequence[Comparison]) -> pd.DataFrame:
    """Columns of a family of comparisons, which are corrected together."""
    corrected = holm([one.p for one in found])
    rows = [
        (one.difference, one.low, one.high, one.p, p_holm, detectable(one.found, ALPHA / len(found)),
         one.found.values, one.found.seeds, one.found.records, one.found.covers)
        for one, p_holm in zip(found, corrected, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COMPARED)
