"""The variance of means over seeds, chunks and records: small cases by hand, and simulated ones with known variance."""

from __future__ import annotations

import numpy as np
import pytest

from wise.evaluate.estimate import estimate


def cell(*by_seed, shared=False, chunks=None):
    """The estimate of lists of values, one a seed; records are shared by place or all different."""
    values = np.concatenate([np.asarray(part, dtype=float) for part in by_seed])
    seeds = np.repeat(np.arange(len(by_seed)), [len(part) for part in by_seed])
    records = np.concatenate([np.arange(len(part)) for part in by_seed]) if shared else np.arange(len(values))
    return estimate(values, seeds, np.zeros(len(values)) if chunks is None else np.asarray(chunks), records)


def terms(found):
    return [pytest.approx(term) for term in found.terms]


def test_seeds_that_differ_are_the_sample():
    found = cell([0, 1], [1, 3])  # means 0.5 and 2, of which records alone explain half
    assert found.mean == 1.25 and (found.seeds, found.records, found.values) == (2, 4, 4)
    assert [(0.5625, 1)] == terms(found), "variance of the two means, 1.125, over 2"


def test_seeds_that_agree_leave_the_records_as_the_sample():
    found = cell([0, 1], [0, 1])
    assert [(0.25 / 3, 3)] == terms(found), "variance of the four values over four, as if there were no seeds"
    assert found.covers == "seeds and records"


def test_records_that_seeds_share_add_their_covariance():
    found = cell([0, 1], [0, 3], shared=True)
    # The values of both seeds have a covariance of 1.5, their means of 0.75. The means, 0.5 and 1.5, vary by 0.5, which
    # is as much as their own variances, 0.25 and 2.25, leave after that: two seeds that do not agree better count.
    assert [(0.25, 1), (0.75, 1)] == terms(found)
    assert (found.records, found.values) == (2, 4)


def test_seeds_that_say_the_same_of_the_same_records_are_worth_one():
    values = [0.0, 0.5, 1.0, 1.0, 0.0]
    one = cell(values)
    three = cell(values, values, values, shared=True)
    assert three.variance == pytest.approx(one.variance) == pytest.approx(np.var(values, ddof=1) / 5)
    assert (one.covers, three.covers) == ("records only", "seeds and records")


def test_chunks_that_differ_are_the_sample_of_one_seed():
    found = cell([0, 0, 1, 1], chunks=[0, 0, 1, 1])
    assert [(0.25, 1)] == terms(found), "means 0 and 1 of two models; records alone would give 1 / 12"
    assert [(1 / 12, 3)] == terms(cell([0, 0, 1, 1])), "one chunk: records are all there is"
    assert [(1 / 12, 3)] == terms(cell([0, 1, 0, 1], chunks=[0, 0, 1, 1])), "chunks that agree"


def test_chunks_of_one_edit_are_the_records():
    values = [0.0, 1.0, 1.0, 0.5]
    assert cell(values, chunks=range(4)) == cell(values)


def test_chunk_numbers_of_different_seeds_are_different_chunks():
    found = cell([0, 0, 1, 1], [1, 1, 0, 0], chunks=[0, 0, 1, 1] * 2)
    assert [(0.25 / 3, 3)] == terms(found), "variance of the four chunks' means over four"


def test_seeds_of_unequal_size_count_alike():
    assert cell([0] * 10, [1]).mean == 0.5


def test_one_value_has_no_degrees_of_freedom():
    assert cell([0.7]).terms == ((0.0, 0.0),)


def test_what_cannot_be_averaged_is_refused():
    with pytest.raises(ValueError, match="no values"):
        cell([])
    with pytest.raises(ValueError, match="not finite"):
        cell([1.0, np.inf])
    with pytest.raises(ValueError, match="several values of one seed"):
        estimate(np.zeros(2), np.zeros(2), np.zeros(2), np.zeros(2))


def test_labels_may_be_anything():
    numbers = estimate(np.arange(4.0), np.array([0, 0, 1, 1]), np.zeros(4), np.array([0, 1, 0, 1]))
    names = estimate(np.arange(4.0), np.array([7, 7, 3, 3]), np.full(4, 5), np.array(["a", "b", "a", "b"]))
    assert numbers == names


def simulated(rng, shared, seeds=3, records=30, of_seed=0.3, of_record=1.0, rest=0.5):
    """Values of the crossed or nested model."""
    shape = seeds, records
    difficulty = rng.normal(0, of_record, records if shared else shape)
    values = rng.normal(0, of_seed, (seeds, 1)) + difficulty + rng.normal(0, rest, shape)
    return cell(*values, shared=shared)


@pytest.mark.parametrize("shared", [False, True])
def test_the_variance_is_that_of_the_model(shared):
    """Crossed: seeds / S + records / n + rest / (S n); nested: records over S n too."""
    rng = np.random.default_rng(0)
    found = [simulated(rng, shared, of_seed=1.0) for _ in range(1500)]
    expected = 1.0 / 3 + 1.0 / (30 if shared else 90) + 0.25 / 90
    assert np.mean([one.variance for one in found]) == pytest.approx(expected, rel=0.07)
    assert np.var([one.mean for one in found]) == pytest.approx(expected, rel=0.12)


def test_seeds_may_share_some_records_only():
    """Two seeds with the same records and one with others: a third of the pairs are correlated."""
    rng, variances, means = np.random.default_rng(1), [], []
    seeds, records = np.repeat([0, 1, 2], 30), np.concatenate([np.arange(30), np.arange(30), np.arange(30) + 30])
    for _ in range(1500):
        values = rng.normal(0, 1.0, 60)[records] + rng.normal(0, 1.0, 3)[seeds]
        found = estimate(values, seeds, np.zeros(90), records)
        variances.append(found.variance)
        means.append(found.mean)
    expected = 1 / 3 + (1 / 3 + 2 / 9) / 30  # seeds; records: 1/S of a seed's variance, and 2 of 9 pairs
    assert np.mean(variances) == pytest.approx(expected, rel=0.07)
    assert np.var(means) == pytest.approx(expected, rel=0.12)
