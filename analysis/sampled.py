"""Over what a mean was taken: its estimate from rows of scores, and sentences about seeds, records and intervals."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from wise.evaluate.estimate import RECORDS_ONLY, Estimate, estimate


def estimate_of(rows: pd.DataFrame, column: str = "value") -> Estimate:
    """The mean of a column over the seeds, chunks and records of its rows, with its variance."""
    return estimate(*(rows[name].to_numpy() for name in (column, "seed", "chunk", "record")))


def sampled(scores: pd.DataFrame) -> str:
    """Seeds and records of the scores of one dataset and model: how many, and which of them seeds share."""
    rows = scores[["seed", "record"]].drop_duplicates()
    held = {seed: set(records) for seed, records in rows.groupby("seed", sort=True)["record"]}
    sizes = sorted({len(records) for records in held.values()})
    count = " to ".join(dict.fromkeys((str(sizes[0]), str(sizes[-1])))) + " records"
    if len(held) == 1:
        return f"one seed ({next(iter(held))}) and its {count}"
    names = f"{len(held)} seeds ({', '.join(map(str, held))})"
    pairs = {pair: len(held[pair[0]] & held[pair[1]]) for pair in combinations(held, 2)}
    if not any(pairs.values()):
        return f"{names}, each with {count} of its own"
    if len(set().union(*held.values())) == sizes[0]:
        return f"{names} with the same {count}"
    shared = ", ".join(f"{one} and {other} share {number}" for (one, other), number in pairs.items() if number)
    return f"{names} with {count} each, of which {shared}"


def intervals(cells: pd.DataFrame) -> str:
    """A sentence on what the intervals of a table cover; `cells` has a column `covers`."""
    kinds = set(cells["covers"])
    if not kinds:
        return "There are no intervals."
    if kinds == {RECORDS_ONLY}:
        return "Intervals are of 95% and cover records only: one seed says nothing about others."
    if RECORDS_ONLY in kinds:
        return "Intervals are of 95%; where there is one seed they cover records only."
    return "Intervals are of 95% and cover seeds and records."


def bands(cells: pd.DataFrame) -> str:
    """The same in a legend."""
    return "95% intervals" + (" (records only)" if set(cells["covers"]) == {RECORDS_ONLY} else "")
