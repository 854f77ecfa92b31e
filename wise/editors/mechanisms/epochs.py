"""Editors that learn a pool of edits in epochs of mini-batches, as ordinary training does."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from wise.editors.base import EditOutcome, Report
from wise.editors.mechanisms.joint import JointEditor
from wise.editors.shared.loss import edit_loss
from wise.errors import EditError
from wise.records import EditRecord
from wise.seeds import generator
from wise.tail.frozen_states import FrozenStates


class Learner(Protocol):
    """What is trained, with its optimiser."""

    def step(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Parameters and what the optimiser remembers, by name."""
        ...

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on, bit for bit, where a learner was that had the same start and gave `state`."""
        ...


@dataclass
class Course:
    """How far the epochs are: mini-batch `batch` of `epoch` is next; steps and last loss of every edit so far."""

    learner: Any
    epoch: int
    batch: int
    steps: list[int]
    losses: list[float]


class EpochsEditor(JointEditor):
    """Every epoch visits all edits of the pool once, in a new order; the pool is all edits so far.

    The config has the options `epochs`, `batch`, `stop_loss` and `context_prefixes`. Subclasses say what is trained.
    """

    _course: Course | None = None

    @abstractmethod
    def _learner(self, edits: int) -> Learner:
        """What is trained as a call begins, for a pool of so many edits."""

    @abstractmethod
    def _trial(self, learner: Any, frozen: FrozenStates) -> Tensor:
        """The matrix's output (B, L, d) with what is learned so far; gradients flow to the learner."""

    @abstractmethod
    def _keep(self, learner: Any) -> None:
        """Make what was learned the memory."""

    def _outside(self) -> int:
        """How many of the first edits are not in the pool, because the memory that holds them is trained on."""
        return 0

    def _learn_all(self, records: Sequence[EditRecord], report: Report) -> list[EditOutcome]:
        config, outside = self.config, self._outside()
        pool = records[outside:]
        rows = [self.encoded_rows(each, config.context_prefixes, number) for number, each in enumerate(pool, outside)]
        if self._course is None:
            self._course = Course(self._learner(len(pool)), 0, 0, [0] * len(pool), [math.inf] * len(pool))
        course = self._course
        while course.epoch < config.epochs:
            batches = list(self._batches(len(pool), course.epoch))
            for members in batches[course.batch :]:
                frozen = self.frozen([row for i in members for row in rows[i]])
                self._visit(course, frozen, members, pool)
                report(len(members) / len(pool) / config.epochs)
            course.epoch, course.batch = course.epoch + 1, 0
            if sum(course.losses) < config.stop_loss * len(pool):
                break
        self._keep(course.learner)
        self._course = None
        return [EditOutcome(*cost) for cost in zip(course.steps, course.losses, strict=True)]

    def _visit(self, course: Course, frozen: FrozenStates, members: list[int], pool: Sequence[EditRecord]) -> None:
        """One step on the edits numbered `members`, whose rows `frozen` holds, unless they are learned."""
        loss = edit_loss(self.tail, frozen, self._trial(course.learner, frozen))
        value = _finite(loss.item(), [pool[i] for i in members])
        going_on = value >= self.config.stop_loss
        if going_on:
            course.learner.step(loss)
        for i in members:
            course.steps[i], course.losses[i] = course.steps[i] + going_on, value
        course.batch += 1

    def _batches(self, edits: int, epoch: int) -> Iterator[list[int]]:
        """Numbers of the edits in each mini-batch of an epoch, together each edit once."""
        draw = generator(self.seed, "epoch", epoch)
        order = torch.randperm(edits, generator=draw, device=draw.device).tolist()
        for first in range(0, edits, self.config.batch):
            yield order[first : first + self.config.batch]

    def _work(self) -> dict[str, Tensor]:
        course = self._course
        if course is None:
            return {}
        return course.learner.state() | {
            "place": torch.tensor([course.epoch, course.batch]),
            "steps": torch.tensor(course.steps),
            "losses": torch.tensor(course.losses, dtype=torch.float64),
        }

    def _take_work(self, work: dict[str, Tensor]) -> None:
        if work:
            (epoch, batch), steps, losses = (work.pop(name).tolist() for name in ("place", "steps", "losses"))
            self._course = Course(self._learner(len(steps)), epoch, batch, steps, losses)
            self._course.learner.load_state(work)

    def _abandon(self) -> None:
        self._course = None

    def _forget(self) -> None:
        super()._forget()
        self._course = None


def _finite(loss: float, records: Sequence[EditRecord]) -> float:
    """`loss` itself; raises `EditError` naming the mini-batch's edits when it is NaN or infinite."""
    if not math.isfinite(loss):
        names = ", ".join(f"'{record.id}'" for record in records)
        raise EditError(f"the loss of the mini-batch of edits {names} became {loss}; lower the learning rate")
    return loss
