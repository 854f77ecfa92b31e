"""LocFT-BF: breadth-first localised fine-tuning, epochs over all edits (arXiv 2509.22072)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import pydantic
import torch
from torch import Tensor

from wise.editors.base import EditOutcome, Report
from wise.editors.mechanisms.joint import JointEditor
from wise.editors.mechanisms.weight import WeightEditor
from wise.editors.own_units import OPEN, Own, OwnConstants
from wise.editors.shared.descent import Descent
from wise.editors.shared.loss import edit_loss
from wise.editors.space import Among, Range
from wise.errors import EditError
from wise.options import STRICT, AtLeastOne, Count, NotNegative, Positive
from wise.records import EditRecord
from wise.seeds import generator
from wise.tail.frozen_states import FrozenStates


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class BreadthFirstConfig(OwnConstants):
    """Published values for 7B models: Adam at 5e-4, 25 epochs, mini-batches of 100, layer 22 of 32 (released code)."""

    lr: Annotated[Positive, Own(2.0, "step", 0.0005), Range(0.2, 20.0)] = OPEN
    """Step size of Adam."""
    epochs: Annotated[AtLeastOne, Range(10, 50)] = 25
    """Most passes over all edits."""
    batch: Annotated[AtLeastOne, Among((5, 10, 25, 100))] = 100
    """Edits of a mini-batch."""
    weight_decay: Annotated[NotNegative, Among((0.0, 1e-3, 1e-2))] = 0.0
    """Weight decay of Adam."""
    stop_loss: NotNegative = 1e-2
    """In nats: a mini-batch whose loss is below it makes no step, an epoch whose mean is below it is the last."""
    context_prefixes: Count = 10
    """Random texts that each prompt is learned behind, beside the prompt alone."""


@dataclass
class Course:
    """How far the epochs are: mini-batch `batch` of `epoch` is next; steps and last loss of every edit so far."""

    descent: Descent
    epoch: int
    batch: int
    steps: list[int]
    losses: list[float]


class BreadthFirst(JointEditor, WeightEditor):
    """One matrix, trained as in ordinary fine-tuning: every epoch visits all edits once, in a new order.

    The control for all editors that fit one edit after the other: it needs all of them at once, and learns
    anew from the unedited matrix when another one comes.
    """

    name = "locft-bf"
    remedy = "Raise 'lr' or 'epochs'."
    Config = BreadthFirstConfig
    retrains_from_scratch = True
    _course: Course | None = None

    def _learn_all(self, records: Sequence[EditRecord], report: Report) -> list[EditOutcome]:
        config: BreadthFirstConfig = self.config
        rows = [self.encoded_rows(record, config.context_prefixes, number) for number, record in enumerate(records)]
        if self._course is None:
            self._course = Course(self._descent(), 0, 0, [0] * len(records), [math.inf] * len(records))
        course = self._course
        while course.epoch < config.epochs:
            batches = list(self._batches(len(records), course.epoch))
            for members in batches[course.batch :]:
                frozen = self.frozen([row for i in members for row in rows[i]])
                self._visit(course, frozen, members, records)
                report(len(members) / len(records) / config.epochs)
            course.epoch, course.batch = course.epoch + 1, 0
            if sum(course.losses) < config.stop_loss * len(records):
                break
        self._weight = course.descent.result()
        self._course = None
        return [EditOutcome(*cost) for cost in zip(course.steps, course.losses, strict=True)]

    def _visit(self, course: Course, frozen: FrozenStates, members: list[int], records: Sequence[EditRecord]) -> None:
        """One step on the edits numbered `members`, whose rows `frozen` holds, unless they are learned."""
        loss = edit_loss(self.tail, frozen, course.descent.output(frozen.inner))
        value = _finite(loss.item(), [records[i] for i in members])
        going_on = value >= self.config.stop_loss
        if going_on:
            course.descent.step(loss)
        for i in members:
            course.steps[i], course.losses[i] = course.steps[i] + going_on, value
        course.batch += 1

    def _descent(self) -> Descent:
        """From the unedited matrix, for every further edit too."""
        with self.unedited():
            return Descent(self.site.weight, self.site.bias, self.config.lr, self.config.weight_decay)

    def _batches(self, edits: int, epoch: int) -> Iterator[list[int]]:
        """Numbers of the edits in each mini-batch of an epoch, together each edit once."""
        order = torch.randperm(edits, generator=generator(self.seed, "epoch", epoch)).tolist()
        for first in range(0, edits, self.config.batch):
            yield order[first : first + self.config.batch]

    def _work(self) -> dict[str, Tensor]:
        course = self._course
        if course is None:
            return {}
        return course.descent.state() | {
            "place": torch.tensor([course.epoch, course.batch]),
            "steps": torch.tensor(course.steps),
            "losses": torch.tensor(course.losses, dtype=torch.float64),
        }

    def _take_work(self, work: dict[str, Tensor]) -> None:
        if work:
            (epoch, batch), steps, losses = (work.pop(name).tolist() for name in ("place", "steps", "losses"))
            self._course = Course(self._descent(), epoch, batch, steps, losses)
            self._course.descent.load_state(work)

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
