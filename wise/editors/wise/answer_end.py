"""Where an answer ends: which tokens behind a prompt its side memory still answers, and where the main one goes on.

A memory that was chosen for a prompt and stays on for good says the target again and again: the last token of a target
looks to it like the ones before. So it keeps the inputs of the matrix at the tokens of its edits' targets, those that
the rest of a target follows and those that end one. A token behind the prompt gets the memory's output where it is
nearest to one of the first kind; at all others the model is the unedited one, and ends or goes on by itself. What is
decided at a token depends on nothing but that token, so it is the same with a cache, without one, and in beams.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wise.tail.frozen_states import FrozenStates


def nearness(keys: Tensor, metric: Tensor) -> Tensor:
    """Rows (n, f + 1) of a linear function of a token x for each of the `keys` k (n, f), in the `metric` P (f, f).

    x P k - k P k / 2 is largest for the key that is nearest to x, in (x - k) P (x - k)^T, and negative for a key that
    is further from x than zero is. With P the inverse of second moments it is a linear discriminant.
    """
    ways = keys @ metric.to(keys)  # (n, f) x (f, f)
    return torch.cat([ways, -(ways * keys).sum(-1, keepdim=True) / 2], -1)


@dataclass(frozen=True)
class AnswerEnd:
    """Where the answers of one memory end.

    `rest` (m, f + 1) and `ends` (n, f + 1): rows of `nearness` of the tokens that the rest of a target follows, and of
    the last tokens of targets.
    """

    rest: Tensor
    ends: Tensor

    def answered(self, inner: Tensor) -> Tensor:
        """Which tokens behind a prompt the memory answers, (..., L), from the matrix's inputs (..., L, f)."""
        if not len(self.rest):
            return torch.zeros(inner.shape[:-1], dtype=torch.bool, device=inner.device)
        x = inner.to(self.ends)
        rest, end = (_nearest(x, rows) for rows in (self.rest, self.ends))
        return (rest > 0) & (rest > end)


def _nearest(x: Tensor, rows: Tensor) -> Tensor:
    """The largest value (..., L) of the functions `rows` (n, f + 1) at tokens `x` (..., L, f)."""
    return (x @ rows[:, :-1].T + rows[:, -1]).amax(-1)  # (..., L, f) x (f, n)


def target_keys(frozen: FrozenStates) -> tuple[Tensor, Tensor]:
    """Inputs of the matrix (t - 1, f) and (1, f) at the target's tokens behind the prompt alone: the last one apart."""
    start, length = int(frozen.batch.start[0]), int(frozen.batch.length[0])
    keys = frozen.inner[0, start:length]
    return keys[:-1], keys[-1:]
