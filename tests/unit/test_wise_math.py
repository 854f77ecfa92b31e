"""WISE's formulae against numbers worked out by hand, and Theorem 2.1."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wise.editors.wise.merging import RULES, merge, trim
from wise.editors.wise.routing import Calibration, Margins, activation_score, routing_loss
from wise.editors.wise.sharding import draw_mask, expected_overlap
from wise.errors import ConfigError
from wise.options import build_options


def test_activation_score_is_the_norm_of_what_the_update_adds():
    delta = torch.tensor([[1.0, 0.0, 2.0], [0.0, -1.0, 0.0]])  # (d, f)
    query = torch.tensor([[1.0, 4.0, 1.0], [0.0, 0.0, 0.0]])
    # x delta^T = (1 + 2, -4): norm 5
    assert activation_score(query, delta).tolist() == [5.0, 0.0]


def test_routing_loss_by_hand():
    margins = Margins(alpha=5.0, beta=20.0, gamma=10.0)
    edit, irrelevant = torch.tensor([18.0, 30.0]), torch.tensor([7.0, 1.0])
    # irrelevant - alpha: 2, 0 -> 1; beta - edit: 2, 0 -> 1; gaps 11, 17, 23, 29 -> all above gamma
    assert routing_loss(edit, irrelevant, margins).item() == pytest.approx(2.0)
    # edit 12: gaps 5, 11 of its row -> 5, 0; other row 23, 29 -> mean 5 / 4; beta - edit 8, 0 -> 4
    assert routing_loss(torch.tensor([12.0, 30.0]), irrelevant, margins).item() == pytest.approx(1.0 + 4.0 + 1.25)


def test_routing_loss_is_zero_exactly_when_all_margins_hold():
    margins = Margins(5.0, 20.0, 10.0)
    assert routing_loss(torch.tensor([20.0]), torch.tensor([5.0]), margins).item() == 0
    assert routing_loss(torch.tensor([19.9]), torch.tensor([5.0]), margins).item() > 0
    assert routing_loss(torch.tensor([20.0]), torch.tensor([5.1]), margins).item() > 0


def test_calibration_measures_the_models_own_scales():
    weight = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    measured = Calibration.measure(torch.tensor([[1.0, 1.0], [2.0, 2.0], [0.0, 1.0]]), weight)
    assert measured.output_norm == pytest.approx(5.0)  # norms 5, 10, 4
    assert measured.input_power == pytest.approx((2 + 8 + 1) / 3)


@settings(max_examples=25, deadline=None)
@given(rho=st.floats(0.1, 0.9), shards=st.integers(1, 4), seed=st.integers(0, 1000))
def test_theorem_2_1_masks_overlap_by_rho_to_the_k(rho, shards, seed):
    size = 200 * 200
    masks = torch.stack([draw_mask((200, 200), rho, seed, shard) for shard in range(shards)])
    share = masks.all(0).float().mean().item()
    expected = expected_overlap(rho, shards)
    deviation = (expected * (1 - expected) / size) ** 0.5
    assert abs(share - expected) < 5 * deviation + 1e-9


def test_masks_of_shards_differ_and_repeat_for_a_seed():
    assert torch.equal(draw_mask((50, 50), 0.5, 3, 1), draw_mask((50, 50), 0.5, 3, 1))
    assert not torch.equal(draw_mask((50, 50), 0.5, 3, 1), draw_mask((50, 50), 0.5, 3, 2))
    assert not torch.equal(draw_mask((50, 50), 0.5, 3, 1), draw_mask((50, 50), 0.5, 4, 1))


A = torch.tensor([[4.0, -1.0, 0.5, 0.0]])
B = torch.tensor([[-2.0, -3.0, 0.25, 1.0]])


def test_merging_rules_by_hand():
    assert merge([A, B], "linear").tolist() == [[1.0, -2.0, 0.375, 0.5]]
    # signs of the sums: +, -, +, +; agreeing entries: A; A, B; A, B; B
    assert merge([A, B], "sign").tolist() == [[4.0, -2.0, 0.375, 1.0]]
    # density one half keeps 4, -1 of A and -2, -3 of B
    assert merge([A, B], "magnitude", 0.5).tolist() == [[1.0, -2.0, 0.0, 0.0]]
    assert merge([A, B], "ties", 0.5).tolist() == [[4.0, -2.0, 0.0, 0.0]]


def test_ties_leaves_disjoint_updates_as_they_are():
    left, right = torch.tensor([[1.0, -2.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 3.0, -4.0]])
    assert torch.equal(merge([left, right], "ties", 0.5), left + right)


def test_trim_keeps_the_floor_of_density_times_size():
    delta = torch.arange(1.0, 11.0).view(2, 5)
    assert trim(delta, 0.53).count_nonzero() == 5
    assert trim(delta, 0.53).flatten()[5:].tolist() == [6.0, 7.0, 8.0, 9.0, 10.0]
    assert torch.equal(trim(delta, 1.0), delta)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), rule=st.sampled_from(sorted(RULES)), shards=st.integers(1, 5), seed=st.integers(0, 2**31))
def test_merging_ignores_the_order_of_shards(data, rule, shards, seed):
    deltas = list(torch.randn(shards, 4, 6, generator=torch.Generator().manual_seed(seed)))
    shuffled = data.draw(st.permutations(deltas))
    torch.testing.assert_close(merge(deltas, rule), merge(shuffled, rule))


@pytest.mark.parametrize("rule", sorted(RULES))
def test_one_shard_is_returned_as_it_is(rule):
    delta = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(merge([delta], rule, density=1.0), delta)


def test_unknown_rule_and_bad_options_are_named():
    with pytest.raises(ConfigError, match="Did you mean 'ties'"):
        merge([A], "tie")
    from wise.editors.wise.config import WiseConfig

    with pytest.raises(ConfigError, match="rho, the mask ratio"):
        build_options(WiseConfig, {"rho": 0.0}, "here")
    with pytest.raises(ConfigError, match="here: option 'shards' must be int"):
        build_options(WiseConfig, {"shards": "2"}, "here")
