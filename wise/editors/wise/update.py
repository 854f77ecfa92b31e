"""The update of a side memory, W' - W0: a matrix, or two factors where these are smaller.

What one edit changes has a low rank: a sum of a few directions of the output, each driven by a few tokens. Two factors
of rank r hold (d + f) r numbers in the place of d f, so a model can keep a memory for each of thousands of edits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wise.seeds import generator

LOST = 0.01
"""Largest share of an update's norm that its factors leave out."""

WIDEST = 256
"""Highest rank that is looked for: a higher one would not be small."""


@dataclass(frozen=True, eq=False)
class Update:
    """`factors`: the matrix (d, f) alone, or two whose product it is, (d, r) and (r, f)."""

    factors: tuple[Tensor, ...]

    @property
    def whole(self) -> Tensor:
        """The matrix (d, f)."""
        left, *right = self.factors
        return left @ right[0] if right else left  # (d, r) x (r, f)

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return not all(factor.count_nonzero() for factor in self.factors)

    @property
    def size(self) -> int:
        """How many numbers it consists of."""
        return sum(factor.numel() for factor in self.factors)

    def moved(self, inner: Tensor) -> Tensor:
        """What it adds to the matrix's output (..., d), for inputs `inner` (..., f), in their precision."""
        for factor in reversed(self.factors):
            inner = inner @ factor.to(inner.dtype).T  # (..., f) x (f, r), (..., r) x (r, d)
        return inner

    def less(self, column: Tensor, row: Tensor) -> Update:
        """Without the product of `column` (d, 1) and `row` (1, f)."""
        if len(self.factors) == 1:
            return Update((self.whole - column @ row,))  # (d, 1) x (1, f)
        left, right = self.factors
        more = Update((torch.cat([left, -column], 1), torch.cat([right, row])))
        return more if more.size < len(left) * right.shape[1] else Update((more.whole,))


def compact(delta: Tensor, seed: int) -> Update:
    """`delta` (d, f) as factors that leave out a share of at most `LOST` of its norm, if they are smaller than it is.

    Its range is found with random probes (Halko, Martinsson and Tropp, arXiv 0909.4061, algorithm 4.1). The factors
    are a projection of outputs: they move no token further than the matrix does.
    """
    rows, columns = delta.shape
    most = min(rows * columns // (rows + columns), WIDEST)
    probes = torch.randn(columns, most, generator=generator(seed, "factors"), device="cpu").to(delta)
    basis = torch.linalg.qr(delta @ probes).Q  # (d, f) x (f, p) -> (d, p)
    inside = (basis.T @ delta).double()  # (p, d) x (d, f)
    squares, ways = torch.linalg.eigh(inside @ inside.T)  # (p, f) x (f, p), ascending
    left_out = delta.double().square().sum() - squares.flip(0).cumsum(0)  # (p,) of the first 1, 2, ..., p ways
    enough = left_out <= LOST**2 * delta.double().square().sum()
    if not enough.any():
        return Update((delta,))
    left = basis @ ways.flip(1)[:, : int(enough.int().argmax()) + 1].to(delta)  # (d, p) x (p, r)
    return Update((left, left.T @ delta))  # (r, d) x (d, f)
