"""SGD: plain gradient descent on one matrix, the shortest editor that learns."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from wise.editors.base import EditOutcome
from wise.editors.mechanisms.weight import WeightEditor
from wise.editors.shared.loss import edit_loss
from wise.editors.shared.minimise import minimise
from wise.editors.space import Among, Range
from wise.options import STRICT, AtLeastOne, Count, NotNegative, Positive
from wise.records import EditRecord


@dataclass(frozen=True, config=STRICT)
class GradientDescentConfig:
    """Chosen for the example, on no data."""

    lr: Annotated[Positive, Range(5e-3, 0.5)] = 0.05
    """Step size."""
    steps: Annotated[AtLeastOne, Among((20, 50, 100))] = 50
    """Most steps of one edit."""
    stop_loss: NotNegative = 0.02
    """Learning ends when the loss is below it, in nats per target token."""
    context_prefixes: Count = 2
    """Random texts that the prompt is learned behind, beside the prompt alone."""


class GradientDescent(WeightEditor):
    """W <- W - lr * gradient of -log P(target | prompt), until the loss is small."""

    name = "sgd"
    Config = GradientDescentConfig

    def _learn(self, record: EditRecord) -> EditOutcome:
        config: GradientDescentConfig = self.config
        rows = self.rows(record, config.context_prefixes)  # the texts of the edit, read up to the matrix once
        start = self.site.weight if self._weight is None else self._weight
        weight = start.detach().clone().requires_grad_(True)  # (d, f)

        def loss() -> Tensor:
            output = nn.functional.linear(rows.inner, weight, self.site.bias)  # (B, L, f) x (f, d) -> (B, L, d)
            return edit_loss(self.tail, rows, output)

        def step(value: Tensor) -> None:
            (gradient,) = torch.autograd.grad(value, weight)
            weight.data -= config.lr * gradient

        outcome = minimise(loss, step, config.steps, config.stop_loss, record)
        self._weight = weight.detach()
        return outcome
