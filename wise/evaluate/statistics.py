"""Intervals, tests and power of means and of paired differences, and corrections for several comparisons.

All follow from `wise.evaluate.estimate` in closed form; nothing is drawn. With three to five seeds the percentile
intervals of a bootstrap are too narrow (benchmarks/coverage.py measures it), so seeds count by Student's t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit
from scipy.stats import binom, chi2, mannwhitneyu, norm

from wise.evaluate.estimate import Estimate

ALPHA = 0.05
"""One minus the level of intervals, and the error of a family of tests."""

POWER = 0.8
"""Chance of finding the difference that is called detectable."""

LEAST_P = 1e-200
"""The smallest p-value that is worked out."""

UNBOUNDED = (-np.inf, np.inf)


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A mean difference with its 95% interval and two-sided p-value; `found` is what both follow from."""

    difference: float
    low: float
    high: float
    p: float
    found: Estimate


def critical(found: Estimate, alpha: float = ALPHA) -> float:
    """How many standard errors an interval of level 1 - alpha reaches.

    Student's t of the degrees of freedom. Where the variance has two terms, that of each weighted by its variance:
    Cochran ("Approximate significance levels of the Behrens-Fisher test", Biometrics 1964).
    """
    (first, freedom), *rest = found.terms
    return float(_steps(np.array([first]), freedom, rest, alpha)[0])


def median_interval(values: np.ndarray, alpha: float = ALPHA) -> Interval:
    """The median of n independent values with an interval of at least level 1 - alpha, whatever their distribution.

    Its ends are order statistics, by the sign test (Conover, "Practical Nonparametric Statistics"); none for n < 6.
    """
    ordered = np.sort(values)
    rank = int(binom.ppf(alpha / 2, len(ordered), 0.5))
    low, high = (ordered[rank - 1], ordered[-rank]) if rank else UNBOUNDED
    return Interval(float(np.median(ordered)), float(low), float(high))


def interval(found: Estimate, bounds: tuple[float, float] = UNBOUNDED, alpha: float = ALPHA) -> Interval:
    """The mean with its interval of level 1 - alpha, inside `bounds`.

    Between two bounds it is Wilson's score interval for as many trials as give the same variance, at most the distinct
    records. It leans inwards and has a width also where all values are equal, at the bounds too: Korn and Graubard
    ("Confidence intervals for proportions with small expected number of positive counts estimated from survey data",
    Survey Methodology 1998), Franco, Little, Louis and Slud ("Comparative study of confidence intervals for
    proportions in complex sample surveys", JSSAM 2019). Elsewhere it is mean -+ `critical` standard errors, cut
    off at a bound. One value alone gives the bounds.
    """
    (low, high), reach = bounds, critical(found, alpha)
    if not np.isfinite(reach):
        return Interval(found.mean, low, high)
    if not np.isfinite(high - low):
        half = reach * found.variance**0.5
        return Interval(found.mean, max(found.mean - half, low), min(found.mean + half, high))
    share = min(max((found.mean - low) / (high - low), 0.0), 1.0)
    variance = found.variance / (high - low) ** 2
    trials = min(float(found.records), share * (1 - share) / variance if variance else np.inf)
    if not trials:  # a mean on a bound by rounding only
        trials = float(found.records)
    pull = reach**2 / trials
    middle = (share + pull / 2) / (1 + pull)
    half = reach * (variance + pull / (4 * trials)) ** 0.5 / (1 + pull)
    ends = min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share)
    return Interval(found.mean, *(low + end * (high - low) for end in ends))


def compared(differences: Estimate, span: float = 1.0) -> Comparison:
    """The mean of paired differences with its interval and the p-value that fits it: below .05 where 0 is outside.

    Its standard error is at least that of one record in all which differs by `span`, the largest difference that there
    can be (0 where there is none): what is equal on n records need not be so on the next.
    """
    found = _at_least(differences, (span / differences.records) ** 2)
    reach = critical(found) * found.variance**0.5
    if not np.isfinite(reach):  # one value alone
        return Comparison(found.mean, -span or np.nan, span or np.nan, 1.0, found)
    most = span or np.inf
    return Comparison(found.mean, max(found.mean - reach, -most), min(found.mean + reach, most), _p_value(found), found)


def detectable(found: Estimate, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest true difference that a test at `alpha` finds with the chance `power`, if variances are as estimated.

    Bloom ("Minimum detectable effects", Evaluation Review 1995), with the standard error's own spread: its first term
    varies as chi-squared, at whose quantiles the chance is averaged.
    """
    (first, freedom), *rest = found.terms
    error = found.variance**0.5
    if not freedom or not error:
        return float("inf") if not freedom else 0.0
    estimated = first * chi2.ppf((np.arange(400) + 0.5) / 400, freedom) / freedom  # (400,)
    spread = np.sqrt(estimated + sum(variance for variance, _ in rest))
    reaches = _steps(estimated, freedom, rest, alpha) * spread  # what is found when the variance is estimated so
    high = float(reaches.max()) + 10 * error
    return float(brentq(lambda true: norm.cdf((true - reaches) / error).mean() - power, 0.0, high))


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


def auc_by_record(
    positive: np.ndarray, negative: np.ndarray, of_positive: np.ndarray, of_negative: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The records of the scores, shape (r,), and one value for each, shape (r,), whose mean is the AUC.

    Their spread is that of the AUC: DeLong, DeLong and Clarke-Pearson ("Comparing the areas under two or more
    correlated receiver operating characteristic curves", Biometrics 1988), summed within records. `of_positive` and
    `of_negative` name the record of each score.
    """
    area = auc(positive, negative)
    parts = np.concatenate([
        (_placed(positive, negative) - area) / len(positive),
        (1 - _placed(negative, positive) - area) / len(negative),
    ])  # fmt: skip
    records, place = np.unique(np.concatenate([of_positive, of_negative]), return_inverse=True)
    return records, area + len(records) * np.bincount(place, parts)


def roc_curve(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at every threshold from the strictest to the loosest, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([positive, negative]))[::-1]
    rates = [
        np.concatenate([[0.0], 1 - np.searchsorted(np.sort(side), thresholds, side="left") / len(side)])
        for side in (negative, positive)
    ]
    return rates[0], rates[1]


def _placed(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each score the share of the others that are below it, ties counting half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / (2 * len(others))


def _steps(first: np.ndarray, freedom: float, rest: Sequence[tuple[float, float]], alpha: float) -> np.ndarray:
    """See `critical`; `first` holds n values of the first term's variance; returns as many numbers, shape (n,)."""
    if not freedom:
        return np.full(len(first), np.inf)
    if not rest:
        return np.full(len(first), _student(freedom, alpha))
    terms = [(first, freedom), *rest]
    total = np.sum([variance + 0 * first for variance, _ in terms], axis=0)
    return np.sum([variance * _student(own, alpha) + 0 * first for variance, own in terms], axis=0) / total


def _student(freedom, alpha: float):
    """How far Student's t reaches on either side at level 1 - alpha."""
    return -stdtrit(freedom, alpha / 2)


def _p_value(found: Estimate) -> float:
    """The alpha at which the interval just touches zero."""
    if not found.mean:
        return 1.0
    steps = abs(found.mean) / found.variance**0.5 if found.variance else np.inf
    if len(found.terms) == 1:
        return float(max(LEAST_P, 2 * stdtr(found.terms[0][1], -steps)))
    if critical(found, LEAST_P) < steps:
        return LEAST_P
    return float(np.exp(brentq(lambda log: critical(found, np.exp(log)) - steps, np.log(LEAST_P), 0.0)))


def _at_least(found: Estimate, variance: float) -> Estimate:
    """With a first term that brings the variance up to `variance` where it is smaller."""
    (first, freedom), *rest = found.terms
    missing = variance - found.variance
    return found if missing <= 0 else replace(found, terms=((first + missing, freedom), *rest))
