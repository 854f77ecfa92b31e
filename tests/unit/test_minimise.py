"""The loop that editors by optimisation share: when it ends, and what it tells."""

from __future__ import annotations

import math

import pytest
import torch

from wise.editors.shared.minimise import Evaluation, adam, minimise
from wise.errors import EditError
from wise.records import EditRecord

RECORD = EditRecord("edit-1", "The mayor is", "Ada", "mayor")


class Halving:
    """A loss that every step halves, from 1 on; `passes` are the losses that were evaluated."""

    def __init__(self) -> None:
        self.value = torch.tensor(1.0)
        self.passes: list[float] = []

    def __call__(self) -> torch.Tensor:
        self.passes.append(self.value.item())
        return self.value.clone()

    def step(self, loss: torch.Tensor) -> None:
        assert torch.equal(loss, self.value)
        self.value = loss / 2


def test_all_steps_are_taken_and_the_loss_is_that_of_the_last_pass():
    loss = Halving()
    outcome = minimise(loss, loss.step, 3, 0.0, RECORD)
    assert (outcome.iterations, outcome.loss) == (3, 0.25) and loss.passes == [1.0, 0.5, 0.25]
    assert loss.value.item() == 0.125, "the last step is looked at by no pass"


def test_a_loss_below_the_limit_ends_it_without_a_step():
    loss = Halving()
    outcome = minimise(loss, loss.step, 100, 0.2, RECORD)
    assert (outcome.iterations, outcome.loss) == (3, 0.125) and loss.value.item() == 0.125
    loss = Halving()
    assert minimise(loss, loss.step, 3, 0.25, RECORD).iterations == 3, "a loss at the limit is not below it"


def test_what_is_learned_ends_it_whatever_the_loss_and_what_is_reported_is_told():
    loss = Halving()

    def evaluate() -> Evaluation:
        return Evaluation(loss(), reported=10 * loss.value, learned=len(loss.passes) == 3)

    outcome = minimise(evaluate, loss.step, 100, 0.0, RECORD)
    assert (outcome.iterations, outcome.loss) == (2, 2.5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_an_error_that_names_the_edit(value):
    stepped = []
    with pytest.raises(EditError, match="edit 'edit-1' .*lower the learning rate"):
        minimise(lambda: torch.tensor(value), stepped.append, 5, 0.0, RECORD)
    assert not stepped


def test_adam_steps_as_torch_does_bit_for_bit():
    mine, reference = (torch.tensor([3.0, -2.0], requires_grad=True) for _ in range(2))
    optimizer = torch.optim.Adam([reference], lr=0.1, weight_decay=0.01)
    losses = []
    for _ in range(5):
        loss = reference.square().sum()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    outcome = minimise(lambda: mine.square().sum(), adam([mine], 0.1, 0.01), 5, 0.0, RECORD)
    assert torch.equal(mine, reference) and outcome.loss == losses[-1]
