"""FT-L: fine-tune one matrix on each edit, within a box around its value before that edit."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from wise.editors.attach import WeightEditor
from wise.editors.base import EditOutcome
from wise.editors.loss import OBJECTIVES, edit_loss, finite
from wise.errors import unknown
from wise.options import require
from wise.records import EditRecord


@dataclass(frozen=True)
class FineTuningConfig:
    """Published values for 7B models: Adam at 5e-4, 25 steps, `prompt_last` (WISE, appendix A).

    `box`: largest change of an entry by one edit (L-infinity), 0 for none. `prefixes`: random contexts
    that augment the prompt. `stop_loss`: end early below it, in nats.
    """

    objective: str = "prompt_last"
    lr: float = 5e-4
    steps: int = 25
    box: float = 5e-4
    weight_decay: float = 0.0
    stop_loss: float = 1e-2
    prefixes: int = 10

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise unknown("objective", self.objective, OBJECTIVES)
        require(self.lr > 0 and self.steps > 0 and self.box >= 0, "lr and steps must be positive, box not negative")


class FineTuning(WeightEditor):
    """Adam on `W` alone: `W <- clip(Adam(W), W_before - box, W_before + box)` after each step.

    The optimiser is fresh for every edit and the box is around the weights before this edit, so that
    changes add up over a stream: the reason why its locality falls with the number of edits.
    """

    name = "ft-l"
    Config = FineTuningConfig

    def _learn(self, record: EditRecord) -> EditOutcome:
        config: FineTuningConfig = self.config
        prefix = self.rows(record, config.prefixes)
        start = self.site.weight.detach() if self._weight is None else self._weight
        weight = start.clone().requires_grad_(True)  # (d, f)
        optimizer = torch.optim.Adam([weight], lr=config.lr, weight_decay=config.weight_decay)
        step, value = 0, float("inf")
        while step < config.steps:
            output = torch.nn.functional.linear(prefix.inner, weight, self.site.module.bias)  # (B, L, f) x (f, d)
            loss = edit_loss(self.tail, prefix, output, config.objective)
            value = finite(loss.item(), record)
            if value < config.stop_loss:
                break
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if config.box:
                with torch.no_grad():
                    weight.clamp_(start - config.box, start + config.box)
            step += 1
        self._weight = weight.detach()
        return EditOutcome(step, value)
