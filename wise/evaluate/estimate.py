"""A mean over seeds and records with its sampling variance, taken from who shares what.

A value belongs to a seed, in it to a chunk (the edits that one edited model was asked about) and to a record. The
variance of the mean is that of a mixed model with random seeds, chunks and records, estimated by moments:

* **Seeds, chunks, records** are nested. Each of the upper two counts as the sample where its means differ by more than
  the level below explains, with one degree of freedom less than there are of them; otherwise its variance is estimated
  as zero and the level below is the sample. REML with Satterthwaite's degrees of freedom does the same (Kuznetsova,
  Brockhoff and Christensen, "lmerTest", J. Stat. Softw. 2017).
* **Records that seeds share** (crossed) move the means of seeds together, which differences between seeds do not show.
  They add the mean covariance of two seeds' means, from the products of a record's deviations in both: Searle, Casella
  and McCulloch, "Variance Components" (1992), ch. 5; Cameron, Gelbach and Miller, "Robust inference with multiway
  clustering" (JBES 2011).

With one seed nothing is known about others: the variance is that of chunks and records, and so is what it covers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RECORDS_ONLY, SEEDS_TOO = "records only", "seeds and records"
"""What intervals from one seed cover, and those from several."""


RATIOS = {1.0: 0.25, 2.0: 0.9}
"""Up to which ratio of variances an upper level does not count, by its degrees of freedom; 1 for more of them. Two or
three seeds agree by chance so often that with a ratio of 1 coverage would fall below 93%."""


@dataclass(frozen=True)
class Estimate:
    """A mean; `terms` are the parts of its variance with their degrees of freedom, that of the nested levels first.

    `records`: distinct ones; `values`: all; `seeds`: how many.
    """

    mean: float
    terms: tuple[tuple[float, float], ...]
    records: int
    values: int
    seeds: int

    @property
    def variance(self) -> float:
        """The sampling variance of the mean."""
        return sum(variance for variance, _ in self.terms)

    @property
    def covers(self) -> str:
        """What an interval of this mean speaks about."""
        return RECORDS_ONLY if self.seeds == 1 else SEEDS_TOO


def estimate(values: np.ndarray, seeds: np.ndarray, chunks: np.ndarray, records: np.ndarray) -> Estimate:
    """The mean of the seeds' means with its variance; four arrays of shape (n,), the last three hold any labels.

    A record has at most one value a seed. Raises `ValueError` without values, for values that are not finite, and for a
    record that a seed has twice.
    """
    values = np.asarray(values, dtype=float)
    if len(values) == 0:
        raise ValueError("no values to average")
    if not np.isfinite(values).all():
        raise ValueError("values that are not finite cannot be averaged")
    seed, record = _numbered(seeds), _numbered(records)
    count, distinct = int(seed.max()) + 1, int(record.max()) + 1
    if len(np.unique(record * count + seed)) < len(values):
        raise ValueError("a record has several values of one seed")
    sizes = np.bincount(seed)
    means = np.bincount(seed, values) / sizes
    deviations = values - means[seed]
    shared = _shared(deviations, seed, record, sizes)
    within, freedom = _within(deviations, seed, _numbered(chunks), sizes)
    nested = max(0.0, within - shared[0]) / count, freedom
    if count > 1:
        nested = _sample(float(means.var(ddof=1)) / count, count - 1.0, *nested, pool=True)
    return Estimate(float(means.mean()), (nested, *((shared,) if shared[0] else ())), distinct, len(values), count)


def _within(deviations: np.ndarray, seed: np.ndarray, chunk: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Variance of a seed's mean by its chunks or records, averaged over seeds, and its degrees of freedom."""
    free = np.maximum(1, sizes - 1)
    of_records = float((np.bincount(seed, deviations**2) / (sizes * free)).mean())
    place = _numbered(seed * (int(chunk.max()) + 1) + chunk)  # chunks of all seeds
    owner = np.zeros(int(place.max()) + 1, dtype=int)
    owner[place] = seed
    chunks = np.bincount(owner)
    records = of_records, float((sizes - 1).sum())
    if (chunks == sizes).all() or (chunks == 1).any():
        return records
    sums = np.bincount(place, deviations)
    of_chunks = float((chunks / (chunks - 1) * np.bincount(owner, sums**2) / sizes**2).mean())
    return _sample(of_chunks, float((chunks - 1).sum()), *records)


def _sample(
    upper: float, upper_freedom: float, lower: float, lower_freedom: float, pool: bool = False
) -> tuple[float, float]:
    """Which of two levels is the sample, by the variances of the mean that either gives: see the head of the module.

    `pool`: where it is the lower one, both estimate the same, the lower one without what is in the upper one.
    """
    agree = upper <= RATIOS.get(upper_freedom, 1.0) * lower * (1 + 1e-9)  # equal but for rounding where one edit failed
    if not agree:
        return upper, upper_freedom
    if not pool:
        return lower, lower_freedom
    freedom = upper_freedom + lower_freedom
    return (upper_freedom * upper + lower_freedom * lower) / freedom, freedom


def _shared(deviations: np.ndarray, seed: np.ndarray, record: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Mean covariance of the means of two seeds by the records that both have, not below 0; degrees of freedom."""
    both = int(np.count_nonzero(np.bincount(record) > 1))
    if both == 0:
        return 0.0, 0.0
    parts = deviations / np.sqrt(sizes * np.maximum(1, sizes - 1))[seed]
    products = np.bincount(record, parts) ** 2 - np.bincount(record, parts**2)  # 2 x sum over pairs of seeds
    return max(0.0, float(products.sum()) / (len(sizes) * (len(sizes) - 1))), max(1.0, both - 1.0)


def _numbered(labels: np.ndarray) -> np.ndarray:
    """Labels as whole numbers from 0."""
    return np.unique(np.asarray(labels), return_inverse=True)[1]
