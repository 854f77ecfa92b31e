"""Sharding masks and merging rules: numbers worked out by hand, and the properties that define them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from wise.editors.wise.merging import RULES, largest, merge
from wise.editors.wise.sharding import draw_mask
from wise.editors.wise.slerp import spherical_weights
from wise.errors import ConfigError

A = torch.tensor([[4.0, -1.0, 0.5, 0.0]])
B = torch.tensor([[-2.0, -3.0, 0.25, 1.0]])
RANDOM = [rule for rule, steps in RULES.items() if steps.keep == "random"]
SHAPES = st.sampled_from([(7,), (3, 4), (2, 3, 4)])
SEEDS = st.integers(0, 2**31)
quick = settings(max_examples=40, deadline=None)


def updates(shards: int, shape: tuple[int, ...], seed: int) -> list[torch.Tensor]:
    """Random updates, float64."""
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=draw, dtype=torch.float64) for _ in range(shards)]


# masks


def is_likely(count: int, size: int, share: float) -> bool:
    """Whether so many of `size` entries are as likely as 5 standard deviations of a normal distribution, or likelier.

    By the binomial distribution itself: with one entry in ten thousand it is far from normal.
    """
    low, high = binom.interval(1 - 2 * norm.sf(5), size, share)
    return low <= count <= high


@settings(max_examples=25, deadline=None)
@given(rho=st.floats(0.1, 0.9), shards=st.integers(1, 4), seed=st.integers(0, 1000))
def test_theorem_2_1_masks_overlap_by_rho_to_the_k(rho, shards, seed):
    size = 200 * 200
    masks = torch.stack([draw_mask((200, 200), rho, seed, shard) for shard in range(shards)])
    assert is_likely(masks.all(0).sum().item(), size, rho**shards)


@quick
@given(rho=st.floats(0.02, 1.0), shards=st.integers(1, 9), seed=st.integers(0, 1000))
def test_disjoint_masks_overlap_as_little_as_they_can(rho, shards, seed):
    masks = torch.stack([draw_mask((100, 100), rho, seed, shard, "disjoint") for shard in range(shards)])
    free = masks.sum(0)  # in how many shards an entry is free
    assert free.min() >= math.floor(shards * rho + 1e-9) and free.max() <= math.ceil(shards * rho - 1e-9)
    assert all(is_likely(mask.sum().item(), 10_000, rho) for mask in masks)


@pytest.mark.parametrize("shards", [1, 2, 3, 5, 7, 10, 49])
def test_disjoint_masks_of_ratio_one_kth_share_out_the_whole_matrix(shards):
    masks = torch.stack([draw_mask((60, 70), 1 / shards, 0, shard, "disjoint") for shard in range(shards)])
    assert (masks.sum(0) == 1).all()


@pytest.mark.parametrize("kind", ["bernoulli", "disjoint"])
def test_masks_of_shards_differ_and_repeat_for_a_seed(kind):
    mask = draw_mask((50, 50), 0.5, 3, 1, kind)
    assert mask.dtype == torch.bool
    assert torch.equal(mask, draw_mask((50, 50), 0.5, 3, 1, kind))
    assert not torch.equal(mask, draw_mask((50, 50), 0.5, 3, 2, kind))
    assert not torch.equal(mask, draw_mask((50, 50), 0.5, 4, 1, kind))


def test_unknown_kind_of_mask_is_named():
    with pytest.raises(ConfigError, match="Did you mean 'disjoint'.*bernoulli, disjoint"):
        draw_mask((2, 2), 0.5, 0, 0, "disjiont")


# rules by hand


def test_rules_without_random_entries_by_hand():
    assert merge([A, B], "linear").tolist() == [[1.0, -2.0, 0.375, 0.5]]
    # signs of the sums: +, -, +, +; agreeing entries: A; A, B; A, B; B
    assert merge([A, B], "sign").tolist() == [[4.0, -2.0, 0.375, 1.0]]
    # density one half keeps 4, -1 of A and -2, -3 of B
    assert merge([A, B], "magnitude", 0.5).tolist() == [[1.0, -2.0, 0.0, 0.0]]
    assert merge([A, B], "ties", 0.5).tolist() == [[4.0, -2.0, 0.0, 0.0]]


def test_weights_by_hand():
    weights = [0.5, 2.0]
    assert merge([A, B], "linear", weights=weights).tolist() == [[-2.0, -6.5, 0.75, 2.0]]
    # signs of the sums: -, -, +, +; agreeing entries: B; A, B; A, B; B; over 2, 2.5, 2.5, 2
    assert merge([A, B], "sign", weights=weights)[0].tolist() == pytest.approx([-2.0, -2.6, 0.3, 1.0])
    assert merge([A, B], "ties", 0.5, weights)[0].tolist() == pytest.approx([-2.0, -2.6, 0.0, 0.0])
    assert merge([A, B], "magnitude", 0.5, weights).tolist() == [[-2.0, -6.5, 0.0, 0.0]]
    assert merge([A, B], "magnitude_norm", 0.5, weights)[0].tolist() == pytest.approx([-0.8, -2.6, 0.0, 0.0])


def test_a_sum_of_zero_elects_plus_and_a_zero_never_agrees():
    one, other = torch.tensor([2.0, -2.0, 0.0]), torch.tensor([-2.0, 2.0, 0.0])
    assert merge([one, other], "sign").tolist() == [2.0, 2.0, 0.0]
    # of three, 0 + 3 - 1 elects +: only the 3 takes part, not the zero
    assert merge([torch.tensor([0.0]), torch.tensor([3.0]), torch.tensor([-1.0])], "sign").item() == pytest.approx(3.0)


def test_random_rules_by_hand():
    chances = torch.full((1, 4), 0.5)
    draw = torch.Generator().manual_seed(311)
    kept = [torch.bernoulli(chances, generator=draw)[0].tolist() for _ in range(2)]
    # with this seed A keeps 4, -1 and B all but its last entry
    assert kept == [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]]

    def merged(rule):
        return merge([A, B], rule, 0.5, draw=torch.Generator().manual_seed(311))[0].tolist()

    assert merged("dare_linear") == [1.0, -2.0, 0.125, 0.0]
    assert merged("dare") == [2.0, -4.0, 0.25, 0.0]
    # elected +, -, +, +: the -2 of B goes; half of 4, -1 - 3, 0.25, doubled by the density
    assert merged("dare_ties") == [4.0, -4.0, 0.25, 0.0]


def test_slerp_by_hand():
    x, y = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    root = math.sqrt(2.0)
    assert merge([x, y], "slerp").tolist() == pytest.approx([root, root])
    # a third of the way along the right angle
    assert merge([x, y], "slerp", weights=[2.0, 1.0]).tolist() == pytest.approx([math.sqrt(3.0), 1.0])
    # three orthogonal updates meet on the diagonal: 1 / sqrt(3) of each
    assert merge(list(torch.eye(3)), "slerp").tolist() == pytest.approx([1 / math.sqrt(3.0)] * 3)
    # in a plane the mean of the angles 0, 30, 90 degrees is 40 degrees
    angles = [0.0, math.radians(30), math.radians(90)]
    plane = [torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64) for angle in angles]
    expected = [math.cos(math.radians(40)), math.sin(math.radians(40))]
    assert merge(plane, "slerp").tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "deltas",
    [
        [torch.tensor([1.0, 0.0]), torch.tensor([2.0, 0.01])],  # parallel
        [torch.tensor([1.0, 0.0]), torch.tensor([-2.0, 0.01])],  # opposite
        [torch.tensor([1.0, 0.0]), torch.zeros(2)],
        [torch.tensor([1.0, 0.0]), torch.tensor([-0.5, 0.75**0.5]), torch.tensor([-0.5, -(0.75**0.5)])],  # cancel
    ],
)
def test_slerp_is_the_weighted_mean_where_no_arc_is_defined(deltas):
    torch.testing.assert_close(merge(deltas, "slerp"), merge(deltas, "linear"))


def test_ties_leaves_disjoint_updates_as_they_are():
    left, right = torch.tensor([[1.0, -2.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 3.0, -4.0]])
    assert torch.equal(merge([left, right], "ties", 0.5), left + right)


def test_trimming_keeps_the_floor_of_density_times_size():
    delta = torch.arange(1.0, 11.0).view(2, 5)
    assert largest(delta, 0.53).tolist() == [[False] * 5, [True] * 5]
    assert largest(-delta, 0.19).sum() == 1
    assert largest(delta, 1.0).all()


# properties


@quick
@given(data=st.data(), rule=st.sampled_from(sorted(RULES)), shards=st.integers(1, 5), shape=SHAPES, seed=SEEDS)
def test_the_order_of_shards_does_not_matter(data, rule, shards, shape, seed):
    weights = st.sampled_from([0.25, 0.5, 1.0, 2.0])
    pairs = [(delta, data.draw(weights)) for delta in updates(shards, shape, seed)]
    shuffled = data.draw(st.permutations(pairs))
    density = 1.0 if rule in RANDOM else 0.53
    one, other = (merge([d for d, _ in order], rule, density, [w for _, w in order]) for order in (pairs, shuffled))
    assert one.shape == shape
    torch.testing.assert_close(one, other)


@quick
@given(data=st.data(), values=st.lists(st.lists(st.integers(-3, 3), min_size=6, max_size=6), min_size=2, max_size=6))
def test_the_order_of_shards_does_not_matter_where_updates_cancel(data, values):
    deltas = [torch.tensor(row, dtype=torch.float32) for row in values]
    shuffled = data.draw(st.permutations(deltas))
    torch.testing.assert_close(merge(deltas, "sign"), merge(shuffled, "sign"))


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("shape", [(12,), (3, 4), (2, 3, 2)])
@pytest.mark.parametrize("weights", [None, [1.0]])
def test_one_shard_is_returned_as_it_is(rule, shape, weights):
    (delta,) = updates(1, shape, 0)
    uses_density = RULES[rule].keep != "all"
    merged = merge([delta], rule, 1.0 if uses_density else 0.3, weights)
    assert torch.equal(merged, delta) and merged.data_ptr() != delta.data_ptr()


@quick
@given(
    rule=st.sampled_from(sorted(RULES)), shards=st.integers(1, 4), shape=SHAPES, seed=SEEDS, factor=st.floats(0.01, 100)
)
def test_scaling_the_updates_scales_the_merge(rule, shards, shape, seed, factor):
    deltas = updates(shards, shape, seed)
    plain, scaled = (
        merge(group, rule, 0.5, draw=torch.Generator().manual_seed(seed))
        for group in (deltas, [delta * factor for delta in deltas])
    )
    torch.testing.assert_close(scaled, plain * factor)


@quick
@given(seed=SEEDS, shape=SHAPES, t=st.floats(0.0, 1.0))
def test_slerp_of_two_is_the_closed_form_and_keeps_the_norm(seed, shape, t):
    one, other = (delta / delta.norm() * 3.0 for delta in updates(2, shape, seed))
    angle = math.acos(float((one * other).sum()) / 9.0)
    expected = (math.sin((1 - t) * angle) * one + math.sin(t * angle) * other) / math.sin(angle)
    merged = merge([one, other], "slerp", weights=[1 - t, t])
    torch.testing.assert_close(merged, expected, rtol=1e-9, atol=1e-9)
    assert merged.norm().item() == pytest.approx(3.0)


@quick
@given(seed=SEEDS, shards=st.integers(3, 6), dimension=st.sampled_from([2, 3, 50]))
def test_slerp_of_many_balances_the_pulls_along_the_sphere(seed, shards, dimension):
    """At the Karcher mean the weighted logarithms of the directions sum to zero."""
    centre = torch.ones(dimension, dtype=torch.float64) / dimension**0.5
    deltas = [centre + 0.5 * delta / delta.norm() for delta in updates(shards, (dimension,), seed)]
    directions = [delta / delta.norm() for delta in deltas]
    shares = torch.arange(1.0, shards + 1, dtype=torch.float64) / sum(range(1, shards + 1))
    weights = spherical_weights(deltas, shares.tolist())
    mean = sum(weight * direction for weight, direction in zip(weights, directions, strict=True))
    if min(float(one @ other) for one in directions for other in directions) < 0.9995:
        assert mean.norm().item() == pytest.approx(1.0, abs=1e-9)
        pulls = torch.zeros(dimension, dtype=torch.float64)
        for share, direction in zip(shares, directions, strict=True):
            cosine = float(direction @ mean)
            across = direction - cosine * mean
            pulls += share * math.atan2(float(across.norm()), cosine) * across / max(float(across.norm()), 1e-12)
        assert pulls.norm().item() < 1e-7


def test_dare_is_unbiased_and_keeps_its_share_of_entries():
    delta, density, draws = torch.randn(20, 30, generator=torch.Generator().manual_seed(0)), 0.3, 2000
    draw = torch.Generator().manual_seed(1)
    merged = torch.stack([merge([delta], "dare", density, draw=draw) for _ in range(draws)])
    deviation = delta.abs() * math.sqrt((1 - density) / density / draws)  # of the mean of the draws
    assert ((merged.mean(0) - delta).abs() <= 5.5 * deviation).all()
    assert (merged != 0).float().mean().item() == pytest.approx(density, abs=0.003)
    kept = merged[merged != 0] * density
    torch.testing.assert_close(kept, delta.expand_as(merged)[merged != 0])
    torch.testing.assert_close(
        merge([delta], "dare_linear", density, draw=torch.Generator().manual_seed(2)),
        merge([delta], "dare", density, draw=torch.Generator().manual_seed(2)) * density,
    )


@pytest.mark.parametrize("rule", RANDOM)
def test_random_rules_repeat_for_a_seed_and_draw_nothing_at_density_one(rule):
    deltas = updates(3, (8, 8), 0)
    one, same, other = (merge(deltas, rule, 0.5, draw=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    draw = torch.Generator().manual_seed(0)
    before = draw.get_state()
    merge(deltas, rule, 1.0, draw=draw)
    assert torch.equal(draw.get_state(), before)


def test_half_precision_updates_merge_in_single_precision():
    deltas = [delta.to(torch.bfloat16) for delta in updates(3, (16, 16), 0)]
    for rule in ("ties", "linear", "slerp"):
        merged = merge(deltas, rule)
        assert merged.dtype == torch.bfloat16
        assert torch.equal(merged, merge([delta.float() for delta in deltas], rule).to(torch.bfloat16))


# errors


def test_bad_arguments_are_named():
    with pytest.raises(ConfigError, match="Did you mean 'ties'"):
        merge([A], "tie")
    with pytest.raises(ConfigError, match="density 0.2 keeps none of 4 entries"):
        merge([A, B], "ties", 0.2)
    with pytest.raises(ConfigError, match=r"density must be in \(0, 1\], got 1.5"):
        merge([A, B], "dare", 1.5)
    with pytest.raises(ConfigError, match="slerp needs weights of at least 0"):
        merge([A, B], "slerp", weights=[1.0, -0.5])
    with pytest.raises(ValueError, match="draw, a torch.Generator"):
        merge([A, B], "dare_ties", 0.5)
    with pytest.raises(ValueError, match="one number for each of 2 deltas, got 1"):
        merge([A, B], "linear", weights=[1.0])
    with pytest.raises(ValueError, match="equal shape"):
        merge([A, B[:, :2]], "linear")
    with pytest.raises(ValueError, match="one or more"):
        merge([], "ties")
