"""A claim's test on what was measured: inference time, parameters and memory of an editor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from analysis.claims.statement import OnCost
from analysis.inputs import Inputs
from wise.errors import NothingToShow
from wise.evaluate.statistics import ALPHA


class Measured(NamedTuple):
    """A number with its interval, from how many measurements, and at which T."""

    value: float
    low: float
    high: float
    count: int
    T: int


def measured(test: OnCost, inputs: Inputs, place: tuple[str, str], editor: str) -> Measured:
    """What a test is about. Raises `NothingToShow` with the reason where it was not measured."""
    if test.cost == "peak_memory_bytes":
        return _of_runs(test, inputs.records(), place, editor)
    if inputs.overhead_path is None or place != inputs.place:
        raise NothingToShow("made by snakemake overhead, on the dataset and model of the studies")
    return _of_overhead(test, inputs.overhead()["rows"], editor)


def _of_overhead(test: OnCost, measured_rows: Sequence[dict[str, Any]], editor: str) -> Measured:
    """From the study `overhead`; a ratio to another T has the extremes of both intervals."""
    rows = {row["T"]: row for row in measured_rows if row["editor"] == editor}
    if not rows:
        raise NothingToShow(f"snakemake overhead did not measure {editor}")
    T = _count(test.T, list(rows))
    value, low, high = _cell(rows[T], test.cost)
    if test.against_T is not None:
        other = _cell(rows[_count(test.against_T, list(rows))], test.cost)
        value, low, high = value / other[0], low / other[2], high / other[1]
    return Measured(value, low, high, int(rows[T].get("inference_pairs", 0)), T)


def _cell(row: dict[str, Any], cost: str) -> tuple[float, float, float]:
    """A measured number and both ends of its interval, where it has one."""
    value = float(row[cost])
    return value, float(row.get(f"{cost}_low", value)), float(row.get(f"{cost}_high", value))


def _of_runs(test: OnCost, records: Sequence[dict[str, Any]], place: tuple[str, str], editor: str) -> Measured:
    """Peak memory of the runs of a place over that of the editor it is compared with, seed by seed."""
    found: dict[str, dict[int, float]] = {}
    for run in records:
        peak = run["cost"].get("peak_memory_bytes")
        if (run["dataset"], run["model"]) == place and peak:
            found.setdefault(run["editor"], {})[run["seed"]] = float(peak)
    own, other = found.get(editor, {}), found.get(test.against or "", {})
    ratios = np.array([own[seed] / other[seed] for seed in own if seed in other])
    if not len(ratios):
        raise NothingToShow(f"no peak memory of {editor} and {test.against} in the same seeds")
    T = max(int(count) for run in records if (run["dataset"], run["model"]) == place for count in run["grid"])
    if len(ratios) == 1:
        return Measured(float(ratios[0]), float("-inf"), float("inf"), 1, T)
    half = -stdtrit(len(ratios) - 1, ALPHA / 2) * ratios.std(ddof=1) / len(ratios) ** 0.5
    return Measured(float(ratios.mean()), float(ratios.mean() - half), float(ratios.mean() + half), len(ratios), T)


def _count(asked: int | str, there: Sequence[int]) -> int:
    """The T that is asked for."""
    if isinstance(asked, str):
        return max(there) if asked == "largest" else min(there)
    if asked not in there:
        raise NothingToShow(f"snakemake overhead did not measure T={asked}")
    return asked
