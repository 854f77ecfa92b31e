"""Bootstrap intervals, paired comparisons, Holm's correction and AUC on cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from wise.evaluate import statistics as s


def rng(seed=0):
    return np.random.default_rng(seed)


def test_interval_covers_the_true_mean_of_one_seed():
    draw = rng(1)
    covered = 0
    for trial in range(200):
        interval = s.bootstrap_interval([draw.normal(0.5, 0.2, size=60)], rng(trial), draws=400)
        covered += interval.low <= 0.5 <= interval.high
    assert 0.90 <= covered / 200 <= 0.985


def test_interval_has_the_width_of_the_normal_approximation():
    values = rng(2).normal(0.0, 1.0, size=400)
    interval = s.bootstrap_interval([values], rng(3), draws=4000)
    half = 1.96 * values.std() / 20
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.08)
    assert interval.mean == pytest.approx(values.mean())


def test_differences_between_seeds_widen_the_interval():
    same = s.bootstrap_interval([np.array([0.4, 0.6] * 50)] * 3, rng())
    apart = s.bootstrap_interval([np.array([0.4, 0.6] * 50) + shift for shift in (-0.2, 0.0, 0.2)], rng())
    assert apart.high - apart.low > 4 * (same.high - same.low)
    assert apart.mean == pytest.approx(same.mean)


def test_seeds_of_unequal_size_count_alike():
    assert s.bootstrap_interval([np.zeros(10), np.ones(1)], rng()).mean == 0.5


def test_degenerate_cases():
    assert s.bootstrap_interval([np.full(7, 0.3)], rng()) == s.Interval(pytest.approx(0.3), pytest.approx(0.3),
                                                                       pytest.approx(0.3), 1)  # fmt: skip
    single = s.bootstrap_interval([np.array([0.7])], rng())
    assert (single.mean, single.low, single.high) == (0.7, 0.7, 0.7)
    with pytest.raises(ValueError, match="no values"):
        s.bootstrap_interval([np.array([])], rng())
    with pytest.raises(ValueError, match="no values"):
        s.bootstrap_interval([], rng())
    with pytest.raises(ValueError, match="not finite"):
        s.bootstrap_interval([np.array([1.0, np.inf])], rng())


def test_bootstrap_is_reproducible():
    groups = [rng(5).random(30), rng(6).random(30)]
    first = s.bootstrap_means(groups, s.generator_for("cell", 1))
    assert np.array_equal(first, s.bootstrap_means(groups, s.generator_for("cell", 1)))
    assert not np.array_equal(first, s.bootstrap_means(groups, s.generator_for("cell", 2)))


def test_paired_comparison_finds_a_difference():
    found = s.paired_comparison([rng(seed).normal(0.3, 0.5, 100) for seed in range(3)], rng())
    assert found.low > 0 and found.p == pytest.approx(2 / (s.PAIRED_DRAWS + 1))
    assert (found.pairs, found.seeds) == (300, 3)


def test_paired_comparison_of_equals():
    found = s.paired_comparison([np.zeros(20), np.zeros(20)], rng())
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_paired_p_values_are_uniform_without_a_difference():
    p = [s.paired_comparison([rng(seed).normal(0, 1, 60)], rng(seed), draws=500).p for seed in range(300)]
    assert np.mean(np.array(p) < 0.05) < 0.1
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


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


def test_roc_curve_encloses_the_auc():
    positive, negative = rng(8).normal(1, 1, 200).round(1), rng(9).normal(0, 1, 300).round(1)
    false_rate, true_rate = s.roc_curve(positive, negative)
    assert (false_rate[0], true_rate[0], false_rate[-1], true_rate[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true_rate, false_rate) == pytest.approx(s.auc(positive, negative))
