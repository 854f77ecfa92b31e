"""LocFT-BF: breadth-first localised fine-tuning, epochs over all edits (arXiv 2509.22072)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from wise.editors.attach import WeightEditor
from wise.editors.base import EditOutcome
from wise.editors.descent import Descent
from wise.editors.loss import edit_loss
from wise.errors import EditError
from wise.options import require
from wise.records import EditRecord
from wise.seeds import generator


@dataclass(frozen=True)
class BreadthFirstConfig:
    """Published values for 7B models: Adam at 5e-4, 25 epochs, mini-batches of 100, layer 22 of 32 (released code).

    `batch` counts edits. `stop_loss`, in nats: a mini-batch below it makes no step, an epoch whose mean is
    below it is the last. `prefixes`: random contexts that augment each prompt.
    """

    lr: float = 5e-4
    epochs: int = 25
    batch: int = 100
    weight_decay: float = 0.0
    stop_loss: float = 1e-2
    prefixes: int = 10

    def __post_init__(self) -> None:
        require(self.lr > 0 and self.epochs > 0 and self.batch > 0, "lr, epochs and batch must be positive")


class BreadthFirst(WeightEditor):
    """One matrix, trained as in ordinary fine-tuning: every epoch visits all edits once, in a new order.

    The control for all editors that fit one edit after the other: it needs all of them at once, and learns
    anew from the unedited matrix when another one comes.
    """

    name = "locft-bf"
    Config = BreadthFirstConfig
    together = True

    def _learn(self, record: EditRecord) -> EditOutcome:
        return self._learn_all([*self.edits, record])[-1]

    def _learn_all(self, records: Sequence[EditRecord]) -> list[EditOutcome]:
        config: BreadthFirstConfig = self.config
        rows = [self.encoded_rows(record, config.prefixes, number) for number, record in enumerate(records)]
        with self.unedited():  # every further edit is learned from the unedited matrix too
            descent = Descent(self.site.weight, self.site.bias, config.lr, config.weight_decay)
        steps, losses = [0] * len(records), [math.inf] * len(records)
        for epoch in range(config.epochs):
            for members in self._batches(len(records), epoch):
                prefix = self.prefix([row for i in members for row in rows[i]])
                loss = edit_loss(self.tail, prefix, descent.output(prefix.inner))
                value = _finite(loss.item(), [records[i] for i in members])
                going_on = value >= config.stop_loss
                if going_on:
                    descent.step(loss)
                for i in members:
                    steps[i], losses[i] = steps[i] + going_on, value
            if sum(losses) < config.stop_loss * len(losses):
                break
        self._weight = descent.result()
        return [EditOutcome(*cost) for cost in zip(steps, losses, strict=True)]

    def _batches(self, edits: int, epoch: int) -> Iterator[list[int]]:
        """Numbers of the edits in each mini-batch of an epoch, together each edit once."""
        order = torch.randperm(edits, generator=generator(self.seed, "epoch", epoch)).tolist()
        for first in range(0, edits, self.config.batch):
            yield order[first : first + self.config.batch]


def _finite(loss: float, records: Sequence[EditRecord]) -> float:
    """`loss` itself; raises `EditError` naming the mini-batch's edits when it is NaN or infinite."""
    if not math.isfinite(loss):
        names = ", ".join(f"'{record.id}'" for record in records)
        raise EditError(f"the loss of the mini-batch of edits {names} became {loss}; lower the learning rate")
    return loss
