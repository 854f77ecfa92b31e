"""Intervals, paired comparisons and corrections for several comparisons; every draw comes from a given generator."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import mannwhitneyu

DRAWS = 2000
PAIRED_DRAWS = 10_000
"""More than for intervals: the least p-value is 2 / (draws + 1), which Holm multiplies by the number of comparisons."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval; `seeds` is the number of seeds behind it."""

    mean: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True)
class Comparison:
    """Mean difference between two editors on the same edits, its 95% interval and two-sided p-value."""

    difference: float
    low: float
    high: float
    p: float
    pairs: int
    seeds: int


def generator_for(*key: object) -> np.random.Generator:
    """A generator that depends on `key` alone, so that a cell's interval does not depend on other cells."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def bootstrap_means(groups: Sequence[np.ndarray], rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """Means of hierarchical bootstrap samples, shape (draws,).

    `groups` holds one array of values (edits) per seed. Each draw takes as many seeds as there are, with
    replacement, and from each taken seed as many edits as it has, with replacement; its mean is the mean of
    the seeds' means. A sample of n edits is a multinomial count of the distinct values, which is drawn directly.
    """
    groups = _checked(groups)
    seeds = len(groups)
    taken = rng.integers(seeds, size=(draws, seeds))
    means = np.empty((draws, seeds))
    for index, values in enumerate(groups):
        here = taken == index
        distinct, counts = np.unique(values, return_counts=True)
        sampled = rng.multinomial(len(values), counts / len(values), size=int(here.sum()))  # (m, distinct)
        means[here] = sampled @ distinct / len(values)  # (m, distinct) @ (distinct,) -> (m,)
    return means.mean(axis=1)


def bootstrap_interval(
    groups: Sequence[np.ndarray], rng: np.random.Generator, draws: int = DRAWS, level: float = 0.95
) -> Interval:
    """Mean over seeds and edits with its percentile bootstrap interval (hierarchical: seeds, then edits).

    With one seed only the edits are resampled. Constant values give an interval of no width.
    Raises `ValueError` without values or with values that are not finite.
    """
    groups = _checked(groups)
    mean = float(np.mean([values.mean() for values in groups]))
    low, high = np.quantile(bootstrap_means(groups, rng, draws), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, min(float(low), mean), max(float(high), mean), len(groups))


def paired_comparison(
    differences: Sequence[np.ndarray], rng: np.random.Generator, draws: int = PAIRED_DRAWS, level: float = 0.95
) -> Comparison:
    """Compare two editors on the same edits: `differences` holds, per seed, first minus second of every edit.

    The p-value is the bootstrap's: twice the smaller share of draws at or beyond zero, with one added to
    numerator and denominator so that it is never zero.
    """
    groups = _checked(differences)
    means = bootstrap_means(groups, rng, draws)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    tail = min(int(np.count_nonzero(means <= 0)), int(np.count_nonzero(means >= 0)))
    difference = float(np.mean([values.mean() for values in groups]))
    p = min(1.0, 2 * (tail + 1) / (draws + 1))
    return Comparison(difference, float(low), float(high), p, sum(map(len, groups)), len(groups))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction: adjusted p-values in the given order, controlling the family-wise error.

    The i-th smallest of m becomes `max over j <= i of (m - j + 1) p_(j)`, at most 1.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    It is the Mann-Whitney statistic as a share of all pairs.

    Raises `ValueError` when either side is empty.
    """
    if len(positive) == 0 or len(negative) == 0:
        raise ValueError("AUC needs positive and negative scores")
    return float(mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))


def roc_curve(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at every threshold from the strictest to the loosest, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([positive, negative]))[::-1]
    rates = [
        np.concatenate([[0.0], 1 - np.searchsorted(np.sort(side), thresholds, side="left") / len(side)])
        for side in (negative, positive)
    ]
    return rates[0], rates[1]


def _checked(groups: Sequence[np.ndarray]) -> list[np.ndarray]:
    arrays = [np.asarray(values, dtype=float) for values in groups]
    if not arrays or any(len(values) == 0 for values in arrays):
        raise ValueError("no values to resample")
    if not all(np.isfinite(values).all() for values in arrays):
        raise ValueError("values that are not finite cannot be averaged")
    return arrays
