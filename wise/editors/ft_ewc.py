"""FT-EWC: fine-tuning of one matrix with elastic weight consolidation (arXiv 1612.00796, as in GRACE's comparison)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from wise.editors.base import EditOutcome
from wise.editors.mechanisms.weight import WeightEditor
from wise.editors.own_units import OPEN, Own, OwnConstants
from wise.editors.shared.descent import Descent
from wise.editors.shared.loss import edit_loss, rows_loss
from wise.editors.shared.minimise import Evaluation, minimise
from wise.editors.space import Among, Range
from wise.lm.batch import encode
from wise.options import STRICT, AtLeastOne, Count, NotNegative, Positive, Prefixes
from wise.records import EditRecord
from wise.tail.frozen_states import FrozenStates
from wise.tail.tail import Tail


@dataclass(frozen=True, config=STRICT)
class ElasticConfig(OwnConstants):
    """Published for 7B models: Adam at 1e-2, `penalty` 0.1, `memory` 10 (WISE, appendix A), 100 steps (GRACE)."""

    lr: Annotated[Positive, Own(2.0, "step", 0.01), Range(0.2, 20.0)] = OPEN
    """Step size of Adam."""
    penalty: Annotated[NotNegative, Range(0.01, 100.0)] = 0.1
    """Factor lambda of the quadratic term that holds important weights where they were."""
    memory: Annotated[Count, Among((10, 30))] = 10
    """The Fisher information is measured on so many of the latest edits."""
    steps: Annotated[AtLeastOne, Range(20, 100)] = 100
    """Most steps of one edit."""
    normalise: bool = True
    """Divide the Fisher information by its mean over the matrix. Edits that were learned well have tiny gradients:
    without it a small penalty does nothing, and one that does something early freezes the matrix later."""
    context_prefixes: Prefixes = 10
    """Random texts that the prompt is learned behind, beside the prompt alone."""


class ElasticFineTuning(WeightEditor):
    """Min of NLL + lambda * sum_i F_i (W_i - A_i)^2, A the weights before this edit, F those edits' Fisher information.

    Learning ends when every target token is the most likely one, as is checked before each step. The edit
    that is being learned is not among those that F is measured on.
    """

    name = "ft-ewc"
    Config = ElasticConfig
    matrices = 8

    def _learn(self, record: EditRecord) -> EditOutcome:
        config: ElasticConfig = self.config
        frozen = self.rows(record, config.context_prefixes)
        anchor = (self.site.weight if self._weight is None else self._weight).detach()  # (d, f)
        importance = self._importance(anchor)
        descent = Descent(anchor, self.site.bias, config.lr)

        def evaluate() -> Evaluation:
            logits = self.tail.logits(frozen, descent.output(frozen.inner))  # (N, V)
            correct = bool((logits.argmax(-1) == frozen.targets.tokens).all())
            nll = loss = rows_loss(frozen, logits)
            if importance is not None:
                loss = loss + config.penalty * (importance * (descent.weight - anchor).square()).sum()
            return Evaluation(loss, nll, correct)

        outcome = minimise(evaluate, descent.step, config.steps, stop_loss=0.0, record=record)
        self._weight = descent.result()
        return outcome

    def _importance(self, weight: Tensor) -> Tensor | None:
        """Fisher information (d, f) of the most recent edits at `weight`; None where nothing is to be kept."""
        recent = self.edits[-self.config.memory :] if self.config.memory else []
        if not recent or not self.config.penalty:
            return None
        information = fisher(self.tail, self._examples(recent), weight)
        mean = information.mean()
        return information / mean if self.config.normalise and mean > 0 else information

    def _examples(self, records: Sequence[EditRecord]) -> FrozenStates:
        """One example an edit: its prompt as it is, with its target."""
        return self.frozen(encode(self.lm, [r.prompt for r in records], [r.target for r in records]))


def fisher(tail: Tail, frozen: FrozenStates, weight: Tensor) -> Tensor:
    """Diagonal of the empirical Fisher information of a matrix, (d, f): the mean of squared per-example gradients.

    An example is a row of `frozen`, its loss the mean NLL of its target tokens. A row's gradient is the sum
    over its tokens of (dLoss/dy) x^T, so one backward pass gives all of them. Squares are in float32 at least: in
    float16 those of small gradients are 0.
    """
    output = nn.functional.linear(frozen.inner, weight, tail.site.bias).detach().requires_grad_(True)
    examples = len(frozen.inner)
    (slopes,) = torch.autograd.grad(examples * edit_loss(tail, frozen, output), output)  # (B, L, d)
    wide = torch.promote_types(weight.dtype, torch.float32)
    total = torch.zeros_like(weight, dtype=wide)
    for slope, inner in zip(slopes.to(wide), frozen.inner.to(wide), strict=True):
        total += (slope.T @ inner).square()  # (d, L) x (L, f)
    return total / examples
