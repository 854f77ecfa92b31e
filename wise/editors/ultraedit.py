"""UltraEdit: one closed-form update an edit from normalised inputs and gradients (arXiv 2505.14679)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from wise.editors.base import EditOutcome
from wise.editors.layout import Layout, Part
from wise.editors.mechanisms.weight import WeightEditor
from wise.editors.own_units import OPEN, Own, OwnConstants
from wise.editors.shared.loss import edit_loss, finite
from wise.editors.shared.running_moments import RunningStatistics
from wise.editors.space import Range
from wise.lm.batch import encode
from wise.options import STRICT, Count, Positive, Prefixes
from wise.records import EditRecord
from wise.tail.frozen_states import FrozenStates


@dataclass(frozen=True, config=STRICT)
class UltraEditConfig(OwnConstants):
    """Published values for 7B models: `lr` 1e-6, `ridge` 1, turns of 10 (GPT-J) or 100 edits (Mistral).

    Here a turn is one edit with its random prefixes.
    """

    lr: Annotated[Positive, Own(4.0, "shift", 1e-06), Range(0.1, 100.0)] = OPEN
    """Size of an update along the normalised gradients."""
    ridge: Annotated[Positive, Own(0.1, "power", 1.0), Range(1e-3, 10.0)] = OPEN
    """Factor of the identity in the normal equations."""
    pilot: Count = 100
    """Training records that open the running statistics, as many as a published first turn has edits. With 0 they open
    with the first edit, whose own mean then takes most of its gradient away."""
    context_prefixes: Prefixes = 10
    """Random texts that the prompt is learned behind, beside the prompt alone."""


class UltraEdit(WeightEditor):
    """`W <- W + Delta`, without training, from x and d = dLoss/dy at the tokens that predict the target.

    Lifelong normalisation: mean and standard deviation of [x; d] run over all tokens of all edits so far, this
    one included, and give (x^, d^). With v = -lr |x^|^2 d^ the update solves (X^T X + ridge I) Delta^T = X^T V.
    """

    name = "ultraedit"
    artifact_options = ("pilot",)
    remedy = "Raise 'lr', or lower 'ridge'."
    Config = UltraEditConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._forget()

    def make_artifact(self, records: Sequence[EditRecord]) -> dict[str, Tensor]:
        """Statistics of [x; d] over the first `pilot` records, their prompts as they are, on the unedited model."""
        statistics = self._nothing_seen()
        with self.unedited():
            weight = self.site.weight
        for record in records[: self.config.pilot]:
            frozen = self.frozen(encode(self.lm, [record.prompt], [record.target]))
            inner, slopes, _ = self._tokens(frozen, record, weight)
            statistics = statistics.updated(torch.cat([inner, slopes], 1))
        return statistics.state()

    def use_artifact(self, tensors: dict[str, Tensor]) -> None:
        """See `Editor.use_artifact`; before the first edit these are the running statistics."""
        super().use_artifact(tensors)
        if not self.edits:
            self._forget()

    def _learn(self, record: EditRecord) -> EditOutcome:
        config: UltraEditConfig = self.config
        weight = (self.site.weight if self._weight is None else self._weight).detach()  # (d, f)
        inner, slopes, loss = self._tokens(self.rows(record, config.context_prefixes), record, weight)
        statistics = self._statistics.updated(torch.cat([inner, slopes], 1))
        values = target_shifts(statistics, inner, slopes, config.lr)
        self._weight = weight + ridge_update(inner, values, config.ridge).to(weight)
        self._statistics = statistics
        return EditOutcome(1, loss)

    def _tokens(self, frozen: FrozenStates, record: EditRecord, weight: Tensor) -> tuple[Tensor, Tensor, float]:
        """x (n, f), d (n, d) at the n tokens that predict target tokens, and the loss with `weight` (d, f).

        d is the gradient of the row's own loss, so that its size does not depend on how many rows there are.
        """
        output = nn.functional.linear(frozen.inner, weight, self.site.bias).requires_grad_(True)  # (B, L, f) x (f, d)
        loss = edit_loss(self.tail, frozen, output)
        value = finite(loss.item(), record)
        (slopes,) = torch.autograd.grad(len(output) * loss, output)  # (B, L, d)
        here = frozen.batch.predicting()
        return frozen.inner[here], slopes[here], value

    def _nothing_seen(self) -> RunningStatistics:
        width, features = self.site.weight.shape
        return RunningStatistics.empty(features + width, self.lm.device)

    def _forget(self) -> None:
        super()._forget()
        self._statistics = RunningStatistics(**self.prepared) if self.prepared else self._nothing_seen()

    def memory(self) -> dict[str, Tensor]:
        return super().memory() | self._statistics.state()

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        return {**super().layout(edits), **self.artifact_layout()}

    def artifact_layout(self) -> Layout:
        """See `Editor.artifact_layout`."""
        return {"count": Part(kind="double"), "mean": Part("f+d", "double"), "deviations": Part("f+d", "double")}

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        super()._take_memory(memory)
        self._statistics = RunningStatistics(**{name: memory[name] for name in self._statistics.state()})


def target_shifts(statistics: RunningStatistics, inner: Tensor, slopes: Tensor, lr: float) -> Tensor:
    """v = -lr |x^|^2 d^ (n, d), how the matrix's outputs are to change, for x (n, f) and d (n, d)."""
    normal = statistics.normalised(torch.cat([inner, slopes], 1))
    x, d = normal.split([inner.shape[1], slopes.shape[1]], 1)
    return -lr * x.square().sum(1, keepdim=True) * d


def ridge_update(inner: Tensor, values: Tensor, ridge: float) -> Tensor:
    """Delta (d, f) of (X^T X + ridge I) Delta^T = X^T V for X (n, f) and V (n, d), in float64.

    Solved as Delta^T = X^T (X X^T + ridge I)^-1 V, the same matrix: n tokens are fewer than f features.
    """
    inner, values = inner.double(), values.double()
    gram = inner @ inner.T + ridge * torch.eye(len(inner), dtype=inner.dtype, device=inner.device)  # (n, f) x (f, n)
    return torch.linalg.solve(gram, values).T @ inner  # (d, n) x (n, f)
