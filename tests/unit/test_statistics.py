"""Intervals, comparisons, power, Holm's correction and AUC on cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nct, t, ttest_1samp

from tests.unit.test_estimate import cell, simulated
from wise.evaluate import statistics as s
from wise.evaluate.estimate import Estimate

SHARE = (0.0, 1.0)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_one_seed_is_students_t_of_its_records():
    values = rng(1).normal(0.3, 1.0, 25)
    expected = ttest_1samp(values, 0.0)
    found, ends = s.compared(cell(values), span=0.0), s.interval(cell(values))
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert (ends.low, ends.high) == pytest.approx((found.low, found.high))


def test_seeds_that_differ_are_students_t_of_their_means():
    seeds = [rng(seed).normal(mean, 0.1, 50) for seed, mean in enumerate((0.2, 0.6, 0.9))]
    expected = ttest_1samp([values.mean() for values in seeds], 0.0)
    found = s.compared(cell(*seeds))
    assert found.p == pytest.approx(expected.pvalue)
    assert found.low == pytest.approx(max(-1.0, expected.confidence_interval().low))


def test_two_terms_take_the_mean_of_their_critical_values():
    found = Estimate(0.0, ((1.0, 2.0), (3.0, 99.0)), 100, 300, 3)
    assert s.critical(found) == pytest.approx((t.ppf(0.975, 2) + 3 * t.ppf(0.975, 99)) / 4)


def test_a_share_has_the_score_interval():
    """Both ends are where |share - p| is t standard errors of p, with as many trials as give the variance."""
    values = np.array([1.0] * 9 + [0.0])
    ends, trials, reach = s.interval(cell(values), SHARE), 9, t.ppf(0.975, 9)  # variance 0.1 / 10 = 0.9 * 0.1 / 9
    for end in (ends.low, ends.high):
        assert abs(0.9 - end) == pytest.approx(reach * np.sqrt(end * (1 - end) / trials))


@pytest.mark.parametrize("count", [5, 20, 200])
def test_all_right_or_all_wrong_is_no_certainty(count):
    reach = t.ppf(0.975, count - 1)
    right, wrong = (s.interval(cell(np.full(count, value)), SHARE) for value in (1.0, 0.0))
    assert (right.low, right.high) == pytest.approx((1 / (1 + reach**2 / count), 1.0))
    assert (wrong.low, wrong.high) == pytest.approx((0.0, 1 - right.low))
    halves = s.interval(cell(np.full(count, 0.5)), SHARE)
    assert halves.low < 0.5 < halves.high, "what was the same so far need not stay so"


def test_records_that_all_seeds_share_count_once_at_the_bound():
    own, shared = (s.interval(cell(*[np.ones(50)] * 3, shared=shared), SHARE) for shared in (False, True))
    assert shared.low < own.low < 1.0
    assert own.low == pytest.approx(1 / (1 + t.ppf(0.975, 149) ** 2 / 150))


def test_other_bounds_are_the_same_on_their_scale():
    values = rng(2).random(30)
    share, wide = s.interval(cell(values), SHARE), s.interval(cell(100 * values), (0.0, 100.0))
    assert (wide.low, wide.high) == pytest.approx((100 * share.low, 100 * share.high))


def test_one_value_says_nothing():
    assert s.interval(cell([0.7]), SHARE) == s.Interval(0.7, 0.0, 1.0)
    found = s.compared(cell([0.7]))
    assert (found.low, found.high, found.p) == (-1.0, 1.0, 1.0)
    assert s.detectable(found.found) == np.inf


def test_a_value_with_one_bound_has_an_interval_that_ends_there():
    free, ends = s.interval(cell([0.0, 0.1, 3.0])), s.interval(cell([0.0, 0.1, 3.0]), (0.0, np.inf))
    assert free.low < 0 and ends == s.Interval(free.mean, 0.0, free.high)


def test_equal_scores_leave_a_doubt_of_one_record():
    found = s.compared(cell(np.zeros(100)))
    reach = t.ppf(0.975, 99) / 100
    assert (found.difference, found.low, found.high, found.p) == (0.0, pytest.approx(-reach), pytest.approx(reach), 1.0)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.sampled_from([1, 2, 3, 5]), st.booleans(), st.floats(0, 1))
def test_p_is_below_a_twentieth_where_the_interval_leaves_out_zero(seed, seeds, shared, shift):
    found = simulated(rng(seed), shared and seeds > 1, seeds=seeds, records=8)
    found = Estimate(found.mean + shift, *(getattr(found, key) for key in ("terms", "records", "values", "seeds")))
    one = s.compared(found, span=0.0)
    assert (one.p < s.ALPHA) == (one.low > 0 or one.high < 0)


def test_p_values_are_uniform_without_a_difference():
    draw = rng(3)
    p = np.array([s.compared(simulated(draw, True, of_seed=0.2), span=0.0).p for _ in range(800)])
    assert 0.02 < np.mean(p < 0.05) < 0.08
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("of_seed", [0.0, 0.3])
def test_intervals_cover_the_true_mean(shared, of_seed):
    """benchmarks/coverage.py measures it closely."""
    draw = rng(4)
    ends = [s.interval(simulated(draw, shared, of_seed=of_seed)) for _ in range(600)]
    assert 0.92 < np.mean([one.low <= 0.0 <= one.high for one in ends]) < 0.985


def test_a_test_finds_what_is_detectable_with_the_chance_named():
    wide = Estimate(0.0, ((0.04, 1e6),), 100, 100, 1)
    assert s.detectable(wide) == pytest.approx((1.95996 + 0.84162) * 0.2, rel=1e-4)
    few = Estimate(0.0, ((0.04, 2.0),), 100, 300, 3)
    for alpha in (0.05, 0.001):
        found = s.detectable(few, alpha) / 0.2
        assert nct.sf(t.isf(alpha / 2, 2), 2, found) == pytest.approx(0.8, abs=0.003)
    assert s.detectable(few, 0.05 / 100) > 5 * s.detectable(few)


def test_holm():
    assert s.holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert s.holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert s.holm([]).tolist() == []


def test_auc_counts_pairs():
    # pairs won: (3 > 1), (3 > 2), (2 > 1), and the tie 2 = 2 counts half
    assert s.auc(np.array([2.0, 3.0]), np.array([1.0, 2.0])) == pytest.approx(3.5 / 4)
    assert s.auc(np.array([1.0]), np.array([2.0])) == 0.0
    with pytest.raises(ValueError, match="positive and negative"):
        s.auc(np.array([]), np.array([1.0]))


def test_auc_by_record_has_the_variance_of_delong():
    draw = rng(7)
    positive, negative = draw.normal(1, 1, 40).round(1), draw.normal(0, 1, 60).round(1)
    records, values = s.auc_by_record(positive, negative, np.arange(40), 100 + np.arange(60))
    assert len(records) == 100 and values.mean() == pytest.approx(s.auc(positive, negative))
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    delong = wins.mean(1).var() / 40 + wins.mean(0).var() / 60
    assert values.var() / 100 == pytest.approx(delong)


def test_auc_by_record_sums_what_belongs_to_a_record():
    records, values = s.auc_by_record(*map(np.array, ([2.0, 3.0], [1.0, 2.0], ["a", "b"], ["a", "b"])))
    # AUC 7/8; the shares below 2 and 3: 3/4 and 1, above 1 and 2: 1 and 3/4
    assert records.tolist() == ["a", "b"]
    assert values == pytest.approx([7 / 8, 7 / 8])


def test_roc_curve_encloses_the_auc():
    positive, negative = rng(8).normal(1, 1, 200).round(1), rng(9).normal(0, 1, 300).round(1)
    false_rate, true_rate = s.roc_curve(positive, negative)
    assert (false_rate[0], true_rate[0], false_rate[-1], true_rate[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true_rate, false_rate) == pytest.approx(s.auc(positive, negative))


def test_the_interval_of_a_median_covers_it_whatever_the_distribution():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(400):
        found = s.median_interval(rng.lognormal(0.0, 1.0, 30))
        inside += found.low <= 1.0 <= found.high
    assert 0.93 <= inside / 400 <= 1.0
    assert s.median_interval(np.arange(5.0)).low == -np.inf and s.median_interval(np.ones(40)).high == 1.0
