"""Training a network that computes edits, on the unedited model: edits should hold, and change nothing else."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from wise.editors.hypernetworks.gradients import TokenGradients, token_gradients
from wise.editors.hypernetworks.lessons import Lesson, Lessons, divergence, edited, unlikeliness
from wise.editors.shared.loss import edit_loss
from wise.errors import EditError
from wise.records import EditRecord

LOG = logging.getLogger(__name__)

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Trained(Generic[Network]):
    """A network, frozen, and its mean `losses` (2,), of the edit and of locality, over the last pass."""

    network: Network
    losses: Tensor


class HypernetworkTrainer(ABC, Generic[Network]):
    """One training edit an iteration, always from the unedited matrix W.

    The states in front of the matrix never change, so an iteration runs only the layers behind it.
    """

    def __init__(self, lessons: Lessons) -> None:
        self.lessons = lessons
        self.tail = lessons.tail
        self.config: Any = lessons.config
        self.weight = self.tail.site.weight.detach()

    def train(self, records: Sequence[EditRecord]) -> Trained[Network]:
        """The network after `iterations` edits.

        Raises `DataError` without training records, and `EditError` when the loss is not finite.
        """
        config, label = self.config, self.lessons.label
        records = self.lessons.chosen(records)
        network = self.untrained(records).to(self.weight.device)
        optimizer = self.optimizer(network)
        steps = math.ceil(config.iterations / config.accumulate)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        course: list[tuple[float, float]] = []
        lessons = tqdm(self.lessons.stream(records), total=config.iterations, unit="edit", desc=label, disable=None)
        for number, lesson in enumerate(lessons, start=1):
            edit, locality = self.losses(network, lesson)
            loss = self.total(network, edit, locality)
            if not loss.isfinite():
                raise EditError(f"{label}: the loss of training became {loss.item()} at iteration {number}; lower lr")
            (loss / config.accumulate).backward()
            if number % config.accumulate == 0 or number == config.iterations:
                torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            course.append((edit.item(), locality.item()))
            self.passed(network, number, len(records))
        losses = torch.tensor(course[-len(records) :]).mean(0)
        LOG.info("%s: edit loss %.3f, divergence elsewhere %.4f nats a token", label, *losses)
        return Trained(network.requires_grad_(False), losses)

    def losses(self, network: Network, lesson: Lesson) -> tuple[Tensor, Tensor]:
        """Edit loss and divergence (nats a token) of one training edit; gradients flow into the network."""
        tokens = token_gradients(self.tail, lesson.edit, self.weight)
        update = self.update(network, lesson, tokens)  # (d, f)
        edit = self.edit_loss(lesson, update)
        if lesson.against is not None:
            edit = edit + unlikeliness(self.tail, lesson.against, update)
        if lesson.outside is None:
            return edit, edit.new_zeros(())
        return edit, divergence(self.tail, lesson.outside, update)

    def edit_loss(self, lesson: Lesson, update: Tensor) -> Tensor:
        """The loss () of what the update has to answer, in nats a token."""
        return edit_loss(self.tail, lesson.scope, edited(lesson.scope, update))

    def total(self, network: Network, edit: Tensor, locality: Tensor) -> Tensor:
        """What is minimised, from the losses of the edit and of locality."""
        return self.config.c_edit * edit + self.config.c_loc * locality

    def passed(self, network: Network, number: int, records: int) -> None:
        """Called behind iteration `number`, from 1; there are so many `records` in a pass."""

    @abstractmethod
    def untrained(self, records: Sequence[EditRecord]) -> Network:
        """The network as training begins."""

    @abstractmethod
    def optimizer(self, network: Network) -> torch.optim.Optimizer:
        """What moves the network's parameters; its rates fall linearly to zero."""

    @abstractmethod
    def update(self, network: Network, lesson: Lesson, tokens: TokenGradients) -> Tensor:
        """The update (d, f) that the network makes of an edit; gradients flow into the network."""
