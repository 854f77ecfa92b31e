"""The largest deviation from golden numbers, kind by kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

KINDS = ("losses", "scores", "side memories", "merges", "thresholds", "choices", "counters")
"""Losses, scores, memories, merges and thresholds are real numbers; choices and counters agree or do not."""


def deviation_of(mine: Tensor, golden: Tensor, relative: bool = False) -> float:
    """Largest absolute deviation of two tensors of one size; `relative` to golden numbers where those are above 1."""
    if not mine.numel():
        return 0.0
    ours, theirs = mine.reshape(-1).double(), golden.reshape(-1).double()
    unit = theirs.abs().clamp(min=1) if relative else 1.0
    return ((ours - theirs).abs() / unit).nan_to_num(nan=math.inf).amax().item()


@dataclass
class Deviations:
    """`largest` deviation and number of comparisons by kind; a missing or NaN number counts as infinite.

    Deviations are absolute, but for scores above 1: the gap of a token can be large, and is not learned.
    """

    largest: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))
    compared: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def note(self, kind: str, mine: Tensor | float | Sequence[float], golden: Tensor | float | Sequence[float]) -> None:
        """Compare numbers or tensors."""
        ours, theirs = (torch.as_tensor(value, dtype=torch.float64) for value in (mine, golden))
        if ours.numel() != theirs.numel():
            deviation = math.inf
        else:
            deviation = deviation_of(ours, theirs, relative=kind == "scores")
        self.largest[kind] = max(self.largest[kind], deviation)
        self.compared[kind] += ours.numel()

    def same(self, kind: str, mine: Any, golden: Any) -> None:
        """Compare what must be equal: 0, or 1 for each that is not."""
        self.largest[kind] += float(mine != golden)
        self.compared[kind] += 1

    def within(self, tolerance: float) -> bool:
        """Whether nothing is further off than `tolerance`; a kind that nothing was compared of fails, merges aside."""
        compared = all(count for kind, count in self.compared.items() if kind != "merges")
        return compared and all(value <= tolerance for value in self.largest.values())
