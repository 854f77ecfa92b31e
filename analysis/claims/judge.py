"""The verdict on a claim: what its comparisons say of it, corrected for all claims that are tested beside it.

A claim is a statement on effects, such as "above 0 at every T". Each effect has two one-sided p-values: that it is as
the claim says (`holds`), and that it is not (`fails`). A claim holds where all its effects do, so that its p-value is
the largest (intersection-union test: Berger, "Multiparameter hypothesis testing and acceptance sampling",
Technometrics 1982); it fails where one does, with the smallest times their number. Twice the smaller of both is the
claim's p-value, which Holm's method corrects over the claims of a dataset and model. "Within bounds" is two one-sided
tests (TOST: Schuirmann, "A comparison of the two one-sided tests procedure", J. Pharmacokinet. Biopharm. 1987).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from analysis.claims.statement import Expected
from wise.evaluate.estimate import Estimate
from wise.evaluate.statistics import ALPHA, Comparison, compared, detectable

MOST = 1_000_000
"""Above this, a number of edits is not told."""


class Verdict(StrEnum):
    """What is known of a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    OPEN = "not decided at this power"
    UNTESTED = "not testable here"


@dataclass(frozen=True)
class Effect:
    """One comparison of a claim: where it is, what was found, and the p-values that it `holds` and `fails`."""

    T: int
    metric: str
    against: str
    found: Comparison
    holds: float
    fails: float
    gap: float
    """How far the effect is from the bound that it would have to be told from."""

    @property
    def leans(self) -> bool:
        """Whether the effect is rather as the claim says."""
        return self.holds <= self.fails

    def edits_needed(self, alpha: float) -> float:
        """Edits at which an effect of this size would be told at `alpha` with a chance of 80%; infinite above `MOST`.

        There would be more seeds with as many edits each, or more edits where there is one seed: variances fall and
        degrees of freedom grow in proportion.
        """
        found = self.found.found
        factors = np.geomspace(1, max(1.0, MOST / found.records), 100)
        enough = bisect_left(factors, True, key=lambda factor: detectable(_grown(found, factor), alpha) <= self.gap)
        return found.records * factors[enough] if enough < len(factors) else float("inf")


def effect(
    found: Estimate, span: float, expected: Expected, matters: float, T: int = 0, metric: str = "", against: str = ""
) -> Effect:
    """Test an estimate. `matters`: by how much an effect has to miss a one-sided bound to be none; 0 for the bound."""
    low, high = bounds(expected)
    lower, upper = (_above(found, low, span), _above(found, high, span))
    outside = _above(found, low + matters, span), _above(found, high - matters, span)
    holds = max(lower, 1 - upper)
    fails = min(1 - outside[0], outside[1])
    return Effect(T, metric, against, compared(found, span), holds, fails, _gap(found.mean, low, high, matters))


def bounds(expected: Expected) -> tuple[float, float]:
    """Between which numbers the claim sees the effect."""
    if expected.within is not None:
        return expected.within
    low = -np.inf if expected.above is None else expected.above
    return low, np.inf if expected.below is None else expected.below


def p_value(effects: Sequence[Effect]) -> tuple[float, bool]:
    """The p-value of a claim before correction, and whether it is that of holding."""
    holds = max(one.holds for one in effects)
    fails = min(1.0, len(effects) * min(one.fails for one in effects))
    return min(1.0, 2 * min(holds, fails)), holds <= fails


def telling(effects: Sequence[Effect], holding: bool) -> Effect:
    """The comparison that decides: the weakest of a claim that holds, the one that misses it most elsewhere."""
    return max(effects, key=lambda one: one.holds) if holding else min(effects, key=lambda one: one.fails)


def edits_needed(effects: Sequence[Effect], alpha: float) -> int | None:
    """How many edits would decide: the fewest by which a failing comparison fails, or all hold; None for too many."""
    failing = [one.edits_needed(alpha / len(effects)) for one in effects if not one.leans]
    needed = min(failing) if failing else max(one.edits_needed(alpha) for one in effects)
    return int(np.ceil(needed)) if np.isfinite(needed) else None


def verdict(p_corrected: float, holding: bool) -> Verdict:
    """The verdict by the corrected p-value."""
    if p_corrected >= ALPHA:
        return Verdict.OPEN
    return Verdict.HOLDS if holding else Verdict.FAILS


def by_interval(low: float, high: float, expected: Expected) -> Verdict:
    """The verdict on a measured number with its interval; one without an interval has both ends alike."""
    least, most = bounds(expected)
    if least <= low and high <= most:
        return Verdict.HOLDS
    return Verdict.FAILS if high < least or low > most else Verdict.OPEN


def _grown(found: Estimate, factor: float) -> Estimate:
    """The same from so many times more seeds, or edits of one seed."""
    terms = tuple((variance / factor, factor * (freedom + 1) - 1) for variance, freedom in found.terms)
    return replace(found, terms=terms)


def _above(found: Estimate, bound: float, span: float) -> float:
    """p-value of the mean being above a bound."""
    if not np.isfinite(bound):
        return 0.0 if bound < 0 else 1.0
    shifted = compared(replace(found, mean=found.mean - bound), span)
    return shifted.p / 2 if shifted.difference > 0 else 1 - shifted.p / 2


def _gap(mean: float, low: float, high: float, matters: float) -> float:
    """Distance to the nearest bound that decides: to a bound of the claim, or to one of its failing."""
    inside = min(mean - low, high - mean)  # below 0 outside
    missing = max((low + matters) - mean, mean - (high - matters))  # below 0 where it is as the claim says
    return float(max(inside, missing, 0.0))
