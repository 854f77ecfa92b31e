"""The loop of gradient steps that all editors by optimisation share."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from wise.editors.base import EditOutcome
from wise.editors.shared.loss import finite
from wise.records import EditRecord


@dataclass(frozen=True)
class Evaluation:
    """One pass: the loss (), and what is said of the edit beside it.

    `reported` () is the part of the loss that the outcome tells, in nats per target token; None for all of it.
    `learned` ends the optimisation whatever the loss is.
    """

    loss: Tensor
    reported: Tensor | None = None
    learned: bool = False


def minimise(
    evaluate: Callable[[], Evaluation | Tensor],
    step: Callable[[Tensor], None],
    steps: int,
    stop_loss: float,
    record: EditRecord,
) -> EditOutcome:
    """At most `steps` times: `evaluate` the loss, and `step` down its gradient unless it is below `stop_loss`.

    Returns how many steps were taken and what the last pass reported. Raises `EditError`, which names `record`, for a
    loss that is not finite.
    """
    taken, reported = 0, math.inf
    while taken < steps:
        seen = evaluate()
        seen = seen if isinstance(seen, Evaluation) else Evaluation(seen)
        loss = finite(seen.loss.item(), record)
        reported = loss if seen.reported is None else seen.reported.item()
        if seen.learned or loss < stop_loss:
            break
        step(seen.loss)
        taken += 1
    return EditOutcome(taken, reported)


def trainable(start: Tensor) -> Tensor:
    """A copy of `start` to train, at least in float32, which is cast to the model's number format where it is used.

    In float16 Adam's epsilon is 0, and in bfloat16 a small step is rounded away.
    """
    return start.detach().to(torch.promote_types(start.dtype, torch.float32), copy=True).requires_grad_(True)


def adam(parameters: Collection[Tensor], lr: float, weight_decay: float = 0.0) -> Callable[[Tensor], None]:
    """A step of Adam on `parameters` down the gradient of the loss that it is given; its moments are fresh."""
    optimizer = torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay)

    def step(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
