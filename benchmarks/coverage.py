"""How often 95% intervals hold the true mean, on simulated scores whose true mean is known.

    python benchmarks/coverage.py --out benchmarks/results/coverage.json

Scores are drawn from a model with effects of seeds, of chunks (edited models) and of records, which seeds share or not.
`scores` are normal; `shares` are 0 or 1 with a probability that the effects move (probit). `seed` and `chunk` are the
variance that an effect adds to a seed's mean, in multiples of what its records add. Beside the coverage stands the
half-width of the interval over that of the best possible one, which knows all variances.

Ordinary settings have to lie between 93% and 97%, to two standard errors of the simulation; the others are stated. A
percentile bootstrap over seeds and then over records, which is common, is measured on some of them.

All experiments of a setting are worked out together. The first of them also go through `wise.evaluate`, and have to
give the same intervals.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit
from scipy.stats import norm

from wise.evaluate.estimate import RATIOS, estimate
from wise.evaluate.statistics import UNBOUNDED, interval

RECORD, REST = 0.5, 0.5
"""Variance of records and of what is left over; for shares, on the probit scale."""

ORDINARY = (0.93, 0.97)

CHECKED = 20
"""Experiments of each setting that `wise.evaluate` works out as well."""


@dataclass(frozen=True)
class Setting:
    """One way to run an experiment; `mean` is the true share, for normal scores 0.5."""

    kind: str = "scores"
    seeds: int = 3
    records: int = 120
    shared: bool = False
    chunks: int = 1
    seed: float = 0.0
    chunk: float = 0.0
    mean: float = 0.5
    ordinary: bool = True


def settings() -> list[Setting]:
    """Ordinary settings first."""
    many = [
        Setting(seeds=seeds, shared=shared, seed=seed)
        for seeds in (3, 5)
        for shared in (False, True)
        for seed in (0.0, 1.0, 3.0, 10.0)
    ]
    many += [
        Setting(seeds=seeds, shared=shared, chunks=4, chunk=chunk, seed=seed)
        for seeds in (3, 5)
        for shared in (False, True)
        for chunk, seed in ((1.0, 0.0), (1.0, 1.0))
    ]
    many += [
        Setting("shares", seeds, shared=shared, seed=seed, mean=mean)
        for seeds in (3, 5)
        for shared in (False, True)
        for mean, seed in ((0.7, 0.0), (0.9, 0.0), (0.9, 1.0))
    ]
    many += [Setting(seeds=1), Setting(seeds=1, chunks=20, chunk=1.0), Setting("shares", 1, mean=0.9)]
    odd = [
        Setting(seeds=2, seed=1.0),
        Setting(seeds=1, seed=1.0),
        Setting(seeds=1, chunks=4, chunk=1.0),
        *(Setting("shares", 3, mean=mean) for mean in (0.98, 0.995, 0.999)),
        *(Setting("shares", 1, mean=mean) for mean in (0.98, 0.995, 0.999)),
        Setting(records=20),
    ]
    return [*many, *(Setting(**{**asdict(one), "ordinary": False}) for one in odd)]


def drawn(one: Setting, trials: int, rng: np.random.Generator) -> np.ndarray:
    """Scores of n experiments, shape (n, seeds, records); equal parts of each row are its chunks."""
    shape = trials, one.seeds, one.records
    own = (RECORD + REST) / one.records
    difficulty = rng.normal(0, RECORD**0.5, (trials, 1, one.records) if one.shared else shape)
    chunk = rng.normal(0, (one.chunk * own * one.chunks) ** 0.5, (*shape[:2], one.chunks))
    moved = rng.normal(0, (one.seed * own) ** 0.5, (*shape[:2], 1)) + np.repeat(chunk, one.records // one.chunks, 2)
    if one.kind == "scores":
        return one.mean + moved + difficulty + rng.normal(0, REST**0.5, shape)
    total = 1 + RECORD + one.seed * own + one.chunk * own * one.chunks
    latent = norm.ppf(one.mean) * total**0.5 + moved + difficulty  # its mean probability is `mean`
    return (latent + rng.normal(0, 1.0, shape) > 0).astype(float)


def intervals(values: np.ndarray, one: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means and ends of intervals of n experiments, shape (n,) each: `wise.evaluate` for many at once."""
    trials, seeds, records = values.shape
    means = values.mean(2)
    apart = values - means[:, :, None]
    nested, freedom = (apart**2).sum(2).mean(1) / (records * (records - 1)), np.full(trials, seeds * (records - 1.0))
    if 1 < one.chunks < records:
        sums = apart.reshape(trials, seeds, one.chunks, -1).sum(3)
        of_chunks = one.chunks / (one.chunks - 1) * (sums**2).sum(2).mean(1) / records**2
        nested, freedom = _sample(of_chunks, seeds * (one.chunks - 1.0), nested, freedom)
    shared = np.zeros(trials)
    if one.shared and seeds > 1:
        products = apart.sum(1) ** 2 - (apart**2).sum(1)  # (n, records)
        shared = np.maximum(0, products.sum(1) / (records * (records - 1) * seeds * (seeds - 1)))
    nested = np.maximum(0, nested - shared) / seeds
    if seeds > 1:
        nested, freedom = _sample(means.var(1, ddof=1) / seeds, seeds - 1.0, nested, freedom, pool=True)
    mean, variance = means.mean(1), nested + shared
    steps = -stdtrit(freedom, 0.025), -stdtrit(max(1.0, records - 1.0), 0.025)
    reach = np.where(variance > 0, (nested * steps[0] + shared * steps[1]) / np.maximum(variance, 1e-300), steps[0])
    if one.kind == "scores":
        return mean, mean - reach * variance**0.5, mean + reach * variance**0.5
    distinct = records if one.shared else seeds * records
    with np.errstate(divide="ignore", invalid="ignore"):
        count = np.where(variance > 0, np.minimum(distinct, mean * (1 - mean) / variance), distinct)
    pull = reach**2 / count
    middle, half = (mean + pull / 2) / (1 + pull), reach * np.sqrt(variance + pull / (4 * count)) / (1 + pull)
    return mean, np.minimum(np.maximum(middle - half, 0), mean), np.maximum(np.minimum(middle + half, 1), mean)


def _sample(
    upper: np.ndarray, upper_freedom: float, lower: np.ndarray, freedom: np.ndarray, pool: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    counts = upper > RATIOS.get(upper_freedom, 1.0) * lower * (1 + 1e-9)
    both = upper_freedom + freedom if pool else freedom
    pooled = (upper_freedom * upper + freedom * lower) / both if pool else lower
    return np.where(counts, upper, pooled), np.where(counts, upper_freedom, both)


def checked(values: np.ndarray, one: Setting, found: tuple[np.ndarray, ...]) -> None:
    """Raise `AssertionError` where `wise.evaluate` gives other intervals."""
    seeds = np.repeat(np.arange(one.seeds), one.records)
    chunks = np.tile(np.repeat(np.arange(one.chunks), one.records // one.chunks), one.seeds)
    place = np.arange(one.seeds * one.records)
    records, bounds = place % one.records if one.shared else place, (0.0, 1.0) if one.kind == "shares" else UNBOUNDED
    for scores, *expected in zip(values[:CHECKED], *found, strict=False):
        ends = interval(estimate(scores.ravel(), seeds, chunks, records), bounds)
        np.testing.assert_allclose((ends.mean, ends.low, ends.high), expected, atol=1e-9)


def bootstrapped(values: np.ndarray, rng: np.random.Generator, draws: int = 400) -> tuple[float, float]:
    """The percentile interval of a bootstrap over seeds, then over the records of each."""
    seeds, records = values.shape
    taken = rng.integers(seeds, size=(draws, seeds, 1))
    means = values[taken, rng.integers(records, size=(draws, seeds, records))].mean(axis=(1, 2))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def measured(one: Setting, number: int, trials: int, bootstraps: int) -> dict[str, Any]:
    """Coverage of one setting, and the median width of its intervals over that of the best ones; `number` seeds it."""
    rng = np.random.default_rng(number)
    parts = []
    for start in range(0, trials, 1000):
        values = drawn(one, min(1000, trials - start), rng)
        parts.append(intervals(values, one))
        if start == 0:
            checked(values, one, parts[0])
            ends = [bootstrapped(scores, rng) for scores in values[:bootstraps]]
    mean, low, high = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    best = 2 * norm.ppf(0.975) * mean.std()
    return {
        **asdict(one),
        "coverage": round(float(np.mean((low <= one.mean) & (one.mean <= high))), 4),
        "width": round(float(np.median(high - low) / best), 2),
        "bootstrap": round(float(np.mean([a <= one.mean <= b for a, b in ends])), 3) if ends else None,
    }


def main() -> None:
    """Measure every setting and write a table."""
    parser = argparse.ArgumentParser(description="coverage of 95% intervals")
    parser.add_argument("--trials", type=int, default=10_000, help="experiments of each setting (default: %(default)s)")
    parser.add_argument("--bootstraps", type=int, default=500, help="of them bootstrapped (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = []
    for number, one in enumerate(settings()):
        compare = args.bootstraps if one.kind == "scores" and one.chunks == 1 and one.ordinary else 0
        rows.append(measured(one, number, args.trials, compare))
        print(json.dumps(rows[-1]), flush=True)
    error = 2 * (0.05 * 0.95 / args.trials) ** 0.5
    covered = [row["coverage"] for row in rows if row["ordinary"]]
    outside = [one for one in covered if not ORDINARY[0] - error <= one <= ORDINARY[1] + error]
    summary = {"settings": len(covered), "least": min(covered), "most": max(covered), "outside": len(outside)}
    args.out.write_text(json.dumps({"trials": args.trials, "ordinary": summary, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
