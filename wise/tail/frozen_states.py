"""What never changes for a batch of texts, whatever the edited matrix becomes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from wise.lm.batch import Batch


@dataclass(frozen=True, eq=False)
class Targets:
    """Where a batch's target tokens are predicted.

    `positions` (B, m): for each row the positions whose logits predict its target, the last one
    repeated where a row has fewer than m. `rows`, `columns` (N,): which entries of (B, m) are real, in
    the order of `Batch.predicting`. `tokens` (N,): the token each of them predicts.
    """

    positions: Tensor
    rows: Tensor
    columns: Tensor
    tokens: Tensor


@dataclass(frozen=True, eq=False)
class FrozenStates:
    """A batch with its `inner` = x (B, L, f), `output` = y = W0 x (B, L, d), `hidden` = h (B, L, d).

    `early` (B, L, d) are the hidden states behind an earlier layer, where the tail keeps them.
    """

    batch: Batch
    inner: Tensor
    output: Tensor
    hidden: Tensor
    early: Tensor | None = None

    def query(self) -> Tensor:
        """The matrix's input at the last prompt token, (B, f): what routing decides on."""
        rows = torch.arange(len(self.batch.start), device=self.inner.device)
        return self.inner[rows, self.batch.start - 1]

    @cached_property
    @torch.inference_mode(False)
    def targets(self) -> Targets:
        """Where the targets are predicted; found once, because counting them makes a GPU's host wait.

        Never inference tensors: gradients flow through what is read with them.
        """
        batch = self.batch
        rows, positions = batch.predicting()
        first, count = batch.start - 1, batch.length - batch.start  # (B,)
        steps = torch.arange(int(count.max()), device=first.device)  # (m,)
        padded = first[:, None] + torch.minimum(steps, (count - 1).clamp(min=0)[:, None])  # (B, m)
        return Targets(padded, rows, positions - first[rows], batch.input_ids[rows, positions + 1])
