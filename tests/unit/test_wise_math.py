"""Knowledge routing against numbers worked out by hand: scores, positions, the loss, the scales."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import silu

from wise.editors.decision import Reading
from wise.editors.wise.routing import (
    LONG,
    Calibration,
    Margins,
    Scope,
    hinges,
    pooled,
    routing_loss,
    span_of,
    token_gap,
    training_span,
)
from wise.errors import ConfigError
from wise.lm.batch import Encoded, collate

MARGINS = Margins(alpha=5.0, beta=20.0, gamma=10.0)
SHORT, LONGER = Encoded((2, 10, 11, 12, 13), 3), Encoded((2, 10, 11, 12, 13, 14, 15), 4)
"""A prompt of 3 tokens with an answer of 2, and one of 4 with 3."""

SPANS = {
    "left": {
        "last": ("0000100", "0001000"),
        "answer": ("0000110", "0001110"),
        "prompt": ("0011100", "1111000"),
        "tokens": ("0011111", "1111111"),
        "padded": ("1111111", "1111111"),
    },
    "right": {
        "last": ("0010000", "0001000"),
        "answer": ("0011000", "0001110"),
        "prompt": ("1110000", "1111000"),
        "tokens": ("1111100", "1111111"),
        "padded": ("1111111", "1111111"),
    },
}
"""By padding side and `positions`, the positions of both texts that are scored while an edit is learned."""


def shown(span: torch.Tensor) -> tuple[str, ...]:
    return tuple("".join("1" if inside else "0" for inside in row) for row in span.tolist())


def read(side: str, whole: bool) -> Reading:
    """Both texts as they are at hand when a question is asked: their prompts, or the `whole` of them."""
    batch = collate([SHORT, LONGER], pad=0, side=side)
    inner = torch.zeros(*batch.input_ids.shape, 3)
    last = batch.start - 1
    return Reading(inner, inner[..., :2], batch.attention_mask.bool(), last, batch.length - 1 if whole else last)


# scores


def test_the_gap_is_the_norm_of_what_the_update_adds():
    delta = torch.tensor([[1.0, 0.0, 2.0], [0.0, -1.0, 0.0]])  # (d, f)
    inner = torch.tensor([[[1.0, 4.0, 1.0], [0.0, 0.0, 0.0], [2.0, 0.0, -1.0]]])  # (1, 3, f)
    change = inner @ delta.T  # (1 + 2, -4), (0, 0), (2 - 2, 0)
    assert token_gap(change, torch.ones(1, 3, 2)).tolist() == [[5.0, 0.0, 0.0]]


def test_the_gap_behind_the_activation_is_between_both_outputs():
    base, change = torch.tensor([[1.0, -2.0]]), torch.tensor([[2.0, 2.0]])
    assert token_gap(change, base, torch.relu).tolist() == [2.0], "relu(3, 0) - relu(1, -2) = (2, 0)"
    by_hand = (silu(torch.tensor([3.0, 0.0])) - silu(torch.tensor([1.0, -2.0]))).norm()
    assert token_gap(change, base, silu).item() == pytest.approx(by_hand.item())


def test_a_text_scores_the_mean_gap_of_its_span():
    gaps = torch.tensor([[1.0, 2.0, 6.0], [5.0, 7.0, 100.0]])
    span = torch.tensor([[True, False, True], [True, True, False]])
    assert pooled(gaps, span).tolist() == [3.5, 6.0]


def test_a_long_text_scores_its_largest_gap_where_that_is_asked_for():
    gaps = torch.ones(2, LONG + 2)
    gaps[:, 7], gaps[:, -1] = 5.0, 1000.0
    span = torch.ones(2, LONG + 2, dtype=torch.bool)
    span[:, -1] = False  # LONG + 1 positions
    span[1, 0] = False  # LONG positions
    assert pooled(gaps, span, LONG).tolist() == [5.0, pytest.approx(1.04)]
    assert pooled(gaps, span)[0].item() == pytest.approx((LONG + 5) / (LONG + 1)), "the mean, unless asked"


def test_scores_of_a_scope_are_gaps_of_its_span():
    delta = torch.tensor([[2.0, 0.0]])
    scope = Scope(torch.tensor([[[1.0, 9.0], [2.0, 9.0]]]), torch.zeros(1, 2, 1), torch.tensor([[True, True]]))
    assert scope.scores(delta).tolist() == [3.0]
    assert scope.scores(delta, torch.tanh).item() == pytest.approx(torch.tensor([2.0, 4.0]).tanh().mean().item())


# positions


@pytest.mark.parametrize("side", SPANS)
@pytest.mark.parametrize("positions", SPANS["left"])
def test_positions_that_are_scored_while_an_edit_is_learned(positions, side):
    batch = collate([SHORT, LONGER], pad=0, side=side)
    assert shown(training_span(batch, positions)) == SPANS[side][positions]


@pytest.mark.parametrize("side", SPANS)
@pytest.mark.parametrize("positions", SPANS["left"])
def test_positions_that_are_scored_in_a_text_with_its_answer_are_the_same(positions, side):
    assert shown(span_of(read(side, whole=True), positions)) == SPANS[side][positions]


@pytest.mark.parametrize(
    ("positions", "left", "right"),
    [
        ("last", SPANS["left"]["last"], SPANS["right"]["last"]),
        ("answer", SPANS["left"]["last"], SPANS["right"]["last"]),
        ("prompt", SPANS["left"]["prompt"], SPANS["right"]["prompt"]),
        ("tokens", SPANS["left"]["prompt"], SPANS["right"]["prompt"]),
    ],
)
def test_positions_that_are_scored_in_a_prompt_alone(positions, left, right):
    """Its last token is the one that predicts the answer; nothing behind it may be looked at."""
    assert shown(span_of(read("left", whole=False), positions)) == left
    assert shown(span_of(read("right", whole=False), positions)) == right


def test_padding_is_scored_as_far_as_the_batch_has_been_read():
    assert shown(span_of(read("right", whole=False), "padded")) == ("1111000", "1111000")
    assert shown(span_of(read("left", whole=False), "padded")) == ("1111100", "1111100")


# the loss


def test_routing_loss_by_hand():
    edit, irrelevant = torch.tensor([18.0, 30.0]), torch.tensor([7.0, 1.0])
    # irrelevant - alpha: 2, 0 -> 1; beta - edit: 2, 0 -> 1; gaps 11, 17, 23, 29 -> all above gamma
    assert routing_loss(edit, irrelevant, MARGINS).item() == pytest.approx(2.0)
    # edit 12: gaps 5, 11 of its row -> 5, 0; other row 23, 29 -> mean 5 / 4; beta - edit 8, 0 -> 4
    assert routing_loss(torch.tensor([12.0, 30.0]), irrelevant, MARGINS).item() == pytest.approx(1.0 + 4.0 + 1.25)


def test_routing_loss_over_positive_terms_by_hand():
    edit, irrelevant = torch.tensor([12.0, 30.0]), torch.tensor([7.0, 1.0])
    # the same terms, each divided by the one entry of it that is above zero
    assert routing_loss(edit, irrelevant, MARGINS, "positive").item() == pytest.approx(2.0 + 8.0 + 5.0)
    assert routing_loss(torch.tensor([40.0]), torch.tensor([1.0]), MARGINS, "positive").item() == 0


def test_routing_loss_is_zero_exactly_when_all_margins_hold():
    for hinge in ("mean", "positive"):
        assert routing_loss(torch.tensor([20.0]), torch.tensor([5.0]), MARGINS, hinge).item() == 0
        assert routing_loss(torch.tensor([19.9]), torch.tensor([5.0]), MARGINS, hinge).item() > 0
        assert routing_loss(torch.tensor([20.0]), torch.tensor([5.1]), MARGINS, hinge).item() > 0


def test_gradients_flow_through_what_is_above_zero_only():
    values = torch.tensor([3.0, -1.0, 0.0, 1.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(hinges([values], "positive"), values)
    assert gradient.tolist() == [0.5, 0.0, 0.0, 0.5]
    (gradient,) = torch.autograd.grad(hinges([values], "mean"), values)
    assert gradient.tolist() == [0.25, 0.0, 0.0, 0.25]


# the scales


def test_calibration_measures_the_models_own_scales():
    weight = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    measured = Calibration.measure(torch.tensor([[1.0, 1.0], [2.0, 2.0], [0.0, 1.0]]), weight)
    assert measured.output_norm == pytest.approx(5.0)  # norms 5, 10, 4
    assert measured.input_power == pytest.approx((2 + 8 + 1) / 3)


def test_a_matrix_that_writes_nothing_has_no_scale():
    with pytest.raises(ConfigError, match="writes nothing for most unrelated prompts: choose another 'layer'"):
        Calibration.measure(torch.ones(3, 2), torch.zeros(2, 2))
