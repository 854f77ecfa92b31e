"""MEND's network: from a token's input and gradient to those of a better update (sections 3.1 and 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wise.editors.shared.running_moments import RunningStatistics

EPSILON = 1e-7
"""Added to standard deviations, as published."""


class LowRankLayer(nn.Module):
    """h + max(0, s * (U V h + b) + t) on vectors (..., n), with U (n, r), V (r, n) and s, b, t (n,).

    U starts at zero, so the layer starts as the identity; V starts normal.
    """

    def __init__(self, size: int, rank: int, draw: torch.Generator) -> None:
        super().__init__()
        self.up = nn.Parameter(torch.zeros(size, rank))
        place = torch.get_default_device()  # "meta" where only shapes are asked for
        drawn = torch.randn(rank, size, generator=draw, device=place if place.type == "meta" else draw.device)
        self.down = nn.Parameter(drawn / (2 * size) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(size))
        self.scale = nn.Parameter(torch.ones(size))
        self.shift = nn.Parameter(torch.zeros(size))

    def forward(self, hidden: Tensor) -> Tensor:
        """The layer at vectors (..., n)."""
        change = hidden @ self.down.T @ self.up.T  # (..., n) x (n, r) x (r, n)
        # clamp lets a gradient through at 0, relu does not: with U = 0 nothing would ever be learned
        return hidden + (self.scale * (change + self.bias) + self.shift).clamp(min=0)


class GradientTransform(nn.Module):
    """The update alpha * G of one matrix (d, f) from its token gradients: G = sum over tokens of d~ x~^T.

    (x~, d~) come out of two low-rank layers that read the normalised (x, d). The update is *added*: alpha, at first
    a small positive number that climbs the loss, learns its sign. `rank` is at most f + d.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: int, width: int, rank: int, alpha: float, draw: torch.Generator) -> None:
        super().__init__()
        self.features = features
        size = features + width
        self.layers = nn.Sequential(*(LowRankLayer(size, min(rank, size), draw) for _ in range(2)))
        self.alpha = nn.Parameter(torch.tensor(alpha))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def normalise_by(self, tokens: RunningStatistics) -> None:
        """Mean and deviation (f + d,) of training tokens [x; d]; an entry that never varied is only centred."""
        std = tokens.std()
        self.mean.copy_(tokens.mean)
        self.std.copy_(torch.where(std > 0, std, 1.0))

    def normalised(self, inner: Tensor, delta: Tensor) -> Tensor:
        """[x; d] (n, f + d) of tokens with x (n, f) and d (n, d), each entry less its mean over its deviation."""
        return (torch.cat([inner, delta], -1).to(self.mean) - self.mean) / (self.std + EPSILON)

    def better(self, inner: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """x~ (n, f) and d~ (n, d) for tokens with x (n, f) and d (n, d)."""
        both = self.layers(self.normalised(inner, delta))  # (n, f + d)
        return both[:, : self.features], both[:, self.features :]

    def forward(self, inner: Tensor, delta: Tensor) -> Tensor:
        """alpha * G (d, f) for tokens with x (n, f) and d (n, d)."""
        inner, delta = self.better(inner, delta)
        return self.alpha * (delta.T @ inner)  # (d, n) x (n, f)
