"""Mean and variance of vectors that arrive in groups, without keeping them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RunningStatistics:
    """`count` () vectors seen, their `mean` (n,) and the sum of squared `deviations` (n,) from it, in float64."""

    count: Tensor
    mean: Tensor
    deviations: Tensor

    @classmethod
    def empty(cls, size: int, device: torch.device | str = "cpu") -> RunningStatistics:
        """Nothing seen yet."""
        zeros = torch.zeros(size, dtype=torch.float64, device=device)
        return cls(zeros.new_zeros(()), zeros, zeros)

    def updated(self, vectors: Tensor) -> RunningStatistics:
        """With `vectors` (m, n) seen too: Welford's update for groups (Chan et al. 1983), exact as one pass."""
        vectors = vectors.double()
        count = self.count + len(vectors)
        mean = vectors.mean(0)
        shift = mean - self.mean
        within = (vectors - mean).square().sum(0)
        between = shift.square() * (self.count * len(vectors) / count)
        return RunningStatistics(count, self.mean + shift * (len(vectors) / count), self.deviations + within + between)

    def state(self) -> dict[str, Tensor]:
        """The tensors by name."""
        return dict(vars(self))

    def std(self) -> Tensor:
        """Standard deviation (n,), unbiased; 0 before the second vector."""
        return (self.deviations / (self.count - 1).clamp(min=1)).sqrt()

    def normalised(self, vectors: Tensor, floor: float = 1e-7) -> Tensor:
        """(v - mean) / (std + floor) for `vectors` (m, n), in float64."""
        return (vectors.double() - self.mean) / (self.std() + floor)
