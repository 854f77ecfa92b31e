"""One edit: gradient steps on one shard of the side memory (equations 5 to 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from wise.editors.base import EditOutcome
from wise.editors.shared.loss import edit_loss, finite
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.routing import (
    Activation,
    Margins,
    Scope,
    pooled,
    routing_loss,
    token_gap,
)
from wise.records import EditRecord
from wise.tail.tail import FrozenStates, Tail

PLATEAU = 1e-4, 0.02
"""The released code stops when the loss moved by at most the first number and is at most the second (nats)."""

REACHED = 0.95
"""An edit is told apart from unrelated texts when its score is this share of the margin beta, which is never passed."""

LOOK_EVERY = 10
"""Iterations between two looks at the loss on a GPU, each of which waits for it; the numbers do not depend on it."""

Replay = Callable[[Tensor], list[Tensor]]
"""From the update being learned (d, f) to the terms of L_memo."""


@dataclass(frozen=True)
class Rows:
    """What one edit is learned from: its rows with their targets, and what is outside of its scope.

    `span` (B, L): positions of the rows that enter their scores. `outside`: unrelated texts; or, where the
    unrelated text lies inside the prompt, the other positions of the same rows as a span (B, L).
    `recorded` (B, L): positions of the score that is kept for the threshold, where they are not those of `span`.
    """

    frozen: FrozenStates
    span: Tensor
    outside: Scope | Tensor
    recorded: Tensor | None = None
    signs: Tensor | None = None
    """Vectors (n, d) by which the edit is recognised, where they tell scopes, see `wise.editors.wise.cosine_scope`."""


@dataclass(frozen=True)
class Step:
    """SGD on W' = W0 + delta: rate, margins, and the FFN's activation where scores are taken behind it.

    `routing_weight` is the factor of the routing loss.
    """

    lr: float
    margins: Margins
    routing_weight: float
    activation: Activation
    config: WiseConfig


@dataclass(frozen=True)
class Edit:
    """One edit as a memory learns it: what, as number `number` of the log, from which rows, and by which steps.

    `past` (n, f): inputs of the matrix that belong to former edits and shall be moved little.
    """

    record: EditRecord
    number: int
    rows: Rows
    step: Step
    past: Tensor | None = None


@dataclass(frozen=True)
class Trained:
    """A memory behind one edit: how the edit went, the update `delta` = W' - W0 (d, f), and the edit's `score` ()."""

    outcome: EditOutcome
    delta: Tensor
    score: Tensor


@dataclass(frozen=True)
class Iteration:
    """One forward pass of an edit.

    `edit` and `routing` loss, `recorded` scores (B,) of the edit's rows, `gaps` (B, L) of their tokens and
    `outside_gaps` of the unrelated texts.
    """

    edit: Tensor
    routing: Tensor
    recorded: Tensor
    gaps: Tensor
    outside_gaps: Tensor | None


@dataclass
class _Course:
    """How an edit proceeds, kept on the device so that no iteration waits for it."""

    last: Tensor  # total loss of the last update
    previous: Tensor
    active: Tensor
    steps: Tensor
    value: Tensor  # edit loss of the last pass
    score: Tensor  # mean score of the edit rows in the last pass

    @classmethod
    def start(cls, like: Tensor) -> _Course:
        zero = like.new_zeros(())
        return cls(zero + 1e9, zero, torch.ones_like(zero, dtype=torch.bool), zero.clone(), zero.clone(), zero.clone())

    def read(self, edit: Tensor, inside: Tensor, step: Step) -> None:
        """Take in one forward pass and see whether it was the last."""
        config = step.config
        self.value = torch.where(self.active, edit, self.value)
        self.score = torch.where(self.active, inside.mean().to(self.score), self.score)
        if config.stop == "loss":
            self.active = self.active & ~(edit < config.stop_loss)
        elif config.stop == "separated":
            told_apart = inside.mean() >= REACHED * step.margins.beta
            self.active = self.active & ~((edit < config.stop_loss) & told_apart)
        elif config.stop == "plateau":
            flat = ((self.last - self.previous).abs() <= PLATEAU[0]) & (self.last <= PLATEAU[1])
            self.active = self.active & ~flat

    def updated(self, total: Tensor) -> None:
        self.previous, self.last = self.last, torch.where(self.active, total, self.last)
        self.steps = self.steps + self.active


class SideMemory:
    """The variable that an edit trains: `delta` = W' - W0 (d, f), float32 or finer whatever the model's precision.

    `mask` (d, f) tells the entries that gradients reach.
    """

    def __init__(self, tail: Tail, rows: Rows, step: Step, delta: Tensor, mask: Tensor) -> None:
        self.tail, self.rows, self.step, self.mask = tail, rows, step, mask
        self.variable = delta.clone().requires_grad_(True)

    def forward(self) -> Iteration:
        """Losses of the memory as it is, by running the model behind the matrix."""
        frozen, delta = self.rows.frozen, self.variable
        change = frozen.inner @ delta.to(frozen.inner.dtype).T  # (B, L, f) x (f, d)
        gaps = token_gap(change, frozen.output, self.step.activation)  # (B, L)
        far = self.rows.outside
        if isinstance(far, Scope):
            shifted = far.inner @ delta.to(far.inner.dtype).T  # (m, L, f) x (f, d)
            beyond = token_gap(shifted, far.base, self.step.activation)  # (m, L)
            outside = pooled(beyond, far.span)
        else:
            beyond, outside = None, pooled(gaps, far)
        extra = int(self.step.config.divisor == "tokens_plus_one")
        loss = edit_loss(self.tail, frozen, frozen.output + change, divisor_extra=extra)
        return self.judged(loss, gaps, outside, beyond)

    def judged(self, edit: Tensor, gaps: Tensor, outside: Tensor, beyond: Tensor | None) -> Iteration:
        """One forward pass with the routing loss, from the gaps (B, L) of its rows and the scores `outside` (m,).

        `beyond` (m, L) are the gaps of unrelated texts.
        """
        rows, step = self.rows, self.step
        inside = pooled(gaps, rows.span)
        recorded = inside if rows.recorded is None else pooled(gaps.detach(), rows.recorded)
        routed = routing_loss(inside, outside, step.margins, step.config.hinge)
        return Iteration(edit, routed, recorded.detach(), gaps, beyond)

    @torch.no_grad()
    def update(self, gradient: Tensor, active: Tensor) -> None:
        """One step of SGD, in place; none where the edit is no longer `active`. `gradient` (d, f) is used up."""
        config, weight = self.step.config, self.tail.site.weight
        if config.weight_decay and config.decay == "masked":
            gradient.add_(weight + self.variable, alpha=config.weight_decay)
        gradient.mul_(self.mask)
        if config.weight_decay and config.decay == "unmasked":
            gradient.add_(weight + self.variable, alpha=config.weight_decay)
        self.variable.addcmul_(gradient, active.to(gradient.dtype), value=-self.step.lr)
        if config.clamp:
            self.variable.clamp_(-config.clamp, config.clamp)

    def total(self, iteration: int, seen: Iteration) -> Tensor:
        """What is minimised () in iteration number `iteration`, but for replay."""
        return seen.edit + self.step.routing_weight * seen.routing

    def change(self) -> Tensor:
        """W' - W0 (d, f), with its gradient."""
        return self.variable

    def loss_of_change(self, last: Tensor) -> Tensor:
        """The edit's loss () with `change`, as far as it is known: that of the `last` pass."""
        return last


class Trainer:
    """Trains side memories on edits; a subclass may have them computed in another way."""

    def __init__(self, tail: Tail) -> None:
        self.tail = tail

    def __call__(self, edit: Edit, delta: Tensor, mask: Tensor, replay: Replay | None = None) -> Trained:
        """A memory of update `delta` behind one more edit, see `train`."""
        memory = self.side_memory(edit, delta, mask)
        outcome, score = train(memory, edit.record, replay)
        return Trained(outcome, memory.change().detach(), score)

    def side_memory(self, edit: Edit, delta: Tensor, mask: Tensor) -> SideMemory:
        """The variable of one edit, before the first step."""
        return SideMemory(self.tail, edit.rows, edit.step, delta, mask)


def train(memory: SideMemory, record: EditRecord, replay: Replay | None = None) -> tuple[EditOutcome, Tensor]:
    """Train `memory` on one edit; returns how it went and the edit's mean score in the last pass.

    W' <- W' - lr * (M * grad) of  -log P_{W'}(y_e | x_e) + routing_weight * L_a + L_memo, with the side memory in
    use at all positions of all rows. Unrelated texts never leave the edited layer. Raises `EditError` when
    the loss is not finite.
    """
    config, variable = memory.step.config, memory.variable
    course = _Course.start(variable.detach())
    look_every = _look_every(variable, replay)
    for iteration in range(config.steps):
        seen = memory.forward()
        course.read(seen.edit.detach(), seen.recorded, memory.step)
        stopped = (iteration + 1) % look_every == 0 and _finished(course, record)
        terms = replay(memory.change()) if replay is not None and not stopped else []
        if stopped:
            break
        total = memory.total(iteration, seen) + sum(terms)
        (gradient,) = torch.autograd.grad(total, variable)
        memory.update(gradient, course.active)
        course.updated(total.detach())
    finite(course.value.item(), record)
    return EditOutcome(int(course.steps.item()), memory.loss_of_change(course.value).item()), course.score


def _look_every(variable: Tensor, replay: Replay | None) -> int:
    """Iterations between two looks; replay, which draws from generators on the host, is not run for nothing."""
    return LOOK_EVERY if variable.is_cuda and replay is None else 1


def _finished(course: _Course, record: EditRecord) -> bool:
    """Look at the device: NaN raises, and an edit that is no longer active is done."""
    finite(course.value.item(), record)
    return not bool(course.active.item())
