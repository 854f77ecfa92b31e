"""Spherical interpolation of any number of updates: the weights that make their sum keep its length."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from wise.errors import ConfigError

PARALLEL = 0.9995  # above this cosine the arc is a line up to rounding, and slerp divides by its sine
STEPS = 1000  # k x k arithmetic each; orthogonal updates with unequal weights take tens
TOLERANCE = 1e-13  # radians


def spherical_weights(deltas: Sequence[Tensor], weights: Sequence[float]) -> list[float]:
    """Coefficients c_i such that sum c_i delta_i is the spherical interpolation of the flattened deltas.

    For k = 2 and weights 1 - t, t they are sin((1 - t) theta) / sin(theta) and sin(t theta) /
    sin(theta), theta the angle between both. For more shards they are those of the Karcher mean of
    the directions, the point of the unit sphere with the least weighted sum of squared angles, which
    is the same for two and does not depend on the order. Weights are divided by their sum.

    They are the weights themselves (a weighted mean) where the sphere has nothing to say: all updates
    parallel, two opposite, one zero, or directions that spread too far for a unique mean.

    Raises ConfigError for weights that are negative or sum to nothing.
    """
    total = sum(weights)
    if min(weights) < 0 or total <= 0:
        raise ConfigError(f"slerp needs weights of at least 0 with a positive sum, got {list(weights)}")
    shares = torch.tensor([weight / total for weight in weights], dtype=torch.float64)
    cosines = _cosines(deltas)
    if cosines is None or bool((cosines > PARALLEL).all()) or bool((cosines < -PARALLEL).any()):
        return shares.tolist()
    mean = _karcher_mean(cosines, shares)
    return (shares if mean is None else mean).tolist()


def _cosines(deltas: Sequence[Tensor]) -> Tensor | None:
    """Cosines between all pairs of updates, float64 (k, k); None if an update is zero."""
    products = torch.zeros(len(deltas), len(deltas), dtype=torch.float64)
    for row, column in torch.tril_indices(*products.shape).T.tolist():
        products[row, column] = products[column, row] = _inner(deltas[row], deltas[column])
    norms = products.diagonal().sqrt()
    if not norms.all():
        return None
    return (products / norms.outer(norms)).clamp(-1.0, 1.0)


def _inner(one: Tensor, other: Tensor) -> float:
    """Inner product of two flattened updates."""
    wide = torch.promote_types(one.dtype, torch.float32)
    # Summed as a tree; a running float32 sum loses digits over the 45 million entries of a 7B matrix.
    return float((one.to(wide) * other.to(wide)).sum())


def _karcher_mean(cosines: Tensor, shares: Tensor) -> Tensor | None:
    """Coefficients c (k) of the mean u = sum c_i u_i of unit vectors with those `cosines` (k, k), None if not found.

    Repeats u <- exp_u(sum w_i log_u(u_i)) from the normalised weighted mean. All of it stays in the
    span of the u_i, so the k coefficients and k coordinates stand for vectors of any length.
    """
    values, axes = torch.linalg.eigh(cosines)
    vectors = axes * values.clamp(min=0.0).sqrt()  # (k, k), row i holds coordinates of u_i
    mean = shares
    for _ in range(STEPS):
        length = (mean @ vectors).norm()  # (k) (k, k) -> (k)
        if length < 1e-6:  # the updates cancel: there is no direction
            return None
        mean = mean / length
        nearness = (vectors @ (mean @ vectors)).clamp(-1.0, 1.0)  # (k, k) (k) -> (k), cosines with the mean
        # log_u(u_i) = theta / sin(theta) (u_i - cos(theta) u), and torch.sinc(x) = sin(pi x) / (pi x)
        pulls = shares / torch.sinc(nearness.arccos() / math.pi)
        step = pulls - (pulls @ nearness) * mean
        angle = float((step @ vectors).norm())
        if angle < TOLERANCE:
            return mean
        mean = math.cos(angle) * mean + math.sin(angle) / angle * step
    return None
