"""How often 95% intervals hold the true mean, on simulated scores whose true mean is known.

    python benchmarks/coverage.py --out benchmarks/results/coverage.json

Scores are drawn from a model with effects of seeds, of chunks (edited models) and of records, which seeds share or not.
`scores` are normal; `shares` are 0 or 1 with a probability that the effects move (probit). `seed` and `chunk` are the
variance that an effect adds to a seed's mean, in multiples of what its records add. Beside the coverage stands the
half-width of the interval over that of the best possible one, which knows all variances.

Ordinary settings have to lie between 93% and 97%; the others are stated. A percentile bootstrap over seeds and then
over records, which is common, is measured on some of them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from wise.evaluate.estimate import estimate
from wise.evaluate.statistics import UNBOUNDED, interval

RECORD, REST = 0.5, 0.5
"""Variance of records and of what is left over; for shares, on the probit scale."""

ORDINARY = (0.93, 0.97)


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


def drawn(one: Setting, rng: np.random.Generator) -> np.ndarray:
    """Scores of one experiment, shape (seeds, records); equal parts of each row are its chunks."""
    shape = one.seeds, one.records
    own = (RECORD + REST) / one.records
    difficulty = rng.normal(0, RECORD**0.5, one.records if one.shared else shape)
    chunk = rng.normal(0, (one.chunk * own * one.chunks) ** 0.5, (one.seeds, one.chunks))
    moved = rng.normal(0, (one.seed * own) ** 0.5, (one.seeds, 1)) + np.repeat(chunk, one.records // one.chunks, 1)
    if one.kind == "scores":
        return one.mean + moved + difficulty + rng.normal(0, REST**0.5, shape)
    total = 1 + RECORD + one.seed * own + one.chunk * own * one.chunks
    latent = norm.ppf(one.mean) * total**0.5 + moved + difficulty  # its mean probability is `mean`
    return (latent + rng.normal(0, 1.0, shape) > 0).astype(float)


def labels(one: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seed, chunk and record of every value."""
    seeds = np.repeat(np.arange(one.seeds), one.records)
    chunks = np.tile(np.repeat(np.arange(one.chunks), one.records // one.chunks), one.seeds)
    place = np.arange(one.seeds * one.records)
    return seeds, chunks, place % one.records if one.shared else place


def bootstrapped(values: np.ndarray, rng: np.random.Generator, draws: int = 400) -> tuple[float, float]:
    """The percentile interval of a bootstrap over seeds, then over the records of each."""
    seeds, records = values.shape
    taken = rng.integers(seeds, size=(draws, seeds, 1))
    means = values[taken, rng.integers(records, size=(draws, seeds, records))].mean(axis=(1, 2))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def measured(one: Setting, trials: int, bootstraps: int) -> dict[str, Any]:
    """Coverage and width of one setting."""
    rng = np.random.default_rng(0)
    who, bounds = labels(one), (0.0, 1.0) if one.kind == "shares" else UNBOUNDED
    hits, widths, means, old = 0, np.empty(trials), np.empty(trials), []
    for trial in range(trials):
        values = drawn(one, rng)
        ends = interval(estimate(values.ravel(), *who), bounds)
        hits += ends.low <= one.mean <= ends.high
        widths[trial], means[trial] = ends.high - ends.low, ends.mean
        if trial < bootstraps:
            low, high = bootstrapped(values, rng)
            old.append(low <= one.mean <= high)
    best = 2 * norm.ppf(0.975) * means.std()
    found = {"coverage": round(hits / trials, 4), "width": round(float(np.median(widths) / best), 2)}
    return {**asdict(one), **found, "bootstrap": round(float(np.mean(old)), 3) if old else None}


def main() -> None:
    """Measure every setting and write a table."""
    parser = argparse.ArgumentParser(description="coverage of 95% intervals")
    parser.add_argument("--trials", type=int, default=4000, help="experiments of each setting (default: %(default)s)")
    parser.add_argument("--bootstraps", type=int, default=400, help="of them bootstrapped (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = []
    for one in settings():
        compare = args.bootstraps if one.kind == "scores" and one.chunks == 1 and one.ordinary else 0
        rows.append(measured(one, args.trials, compare))
        print(json.dumps(rows[-1]), flush=True)
    outside = [row for row in rows if row["ordinary"] and not ORDINARY[0] <= row["coverage"] <= ORDINARY[1]]
    covered = [row["coverage"] for row in rows if row["ordinary"]]
    summary = {"settings": len(covered), "least": min(covered), "most": max(covered), "outside": len(outside)}
    args.out.write_text(json.dumps({"trials": args.trials, "ordinary": summary, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
