"""Merging rules as the released code has them, from matrices to a matrix, written out rule by rule."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def merged(rule: str, base: Tensor, matrices: Sequence[Tensor], weights: Sequence[float], density: float) -> Tensor:
    """One matrix (d, f) from `matrices` that started at `base`; random rules draw from torch's own generator."""
    first, t = matrices[0], weights[0]
    if rule == "linear":  # the released code looks at the first matrix only, here and for slerp
        return (1 - t) * base + t * first
    if rule == "slerp":
        return slerp(base, first, t)
    updates = torch.stack([matrix - base for matrix in matrices])
    share = torch.tensor(weights, dtype=base.dtype)[:, None, None]
    if rule in ("ties", "sign"):
        trimmed = torch.stack([largest(update, density) for update in updates]) if rule == "ties" else updates
        total, weight = agreeing(trimmed * share, share)
        return base + total / weight
    if rule == "magnitude":
        return base + sum(w * largest(update, density) for w, update in zip(weights, updates, strict=True))
    if rule in ("dare_ties", "dare_linear"):
        # Survivors are drawn, and divided by the density, in single precision.
        kept = [torch.bernoulli(torch.full(base.shape, density)) for _ in updates]
        single = [mask * update.float() for mask, update in zip(kept, updates, strict=True)] if density < 1 else updates
        if rule == "dare_linear":
            return base + sum(w * update.to(base.dtype) for w, update in zip(weights, single, strict=True))
        updates = torch.stack([(update / density).to(base.dtype) for update in single])
        return base + agreeing(updates * share, share)[0]
    raise ValueError(rule)


def largest(update: Tensor, density: float) -> Tensor:
    """The floor(density * n) entries of largest magnitude in single precision, zero elsewhere."""
    kept = torch.zeros_like(update)
    kept.view(-1)[update.abs().float().flatten().topk(int(density * update.numel())).indices] = 1
    return update * kept


def agreeing(weighted: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the entries that have the sign of the whole sum (zero counts as +), and of their weights (0 is 1)."""
    elected = torch.where(weighted.sum(0) >= 0, 1.0, -1.0)
    agrees = weighted.sign() == elected
    weight = (share * agrees).sum(0)
    return (weighted * agrees).sum(0), torch.where(weight == 0, 1.0, weight)


def slerp(base: Tensor, matrix: Tensor, t: float) -> Tensor:
    """The point at `t` of the arc between two matrices as vectors; on the line where they are parallel."""
    cosine = (base * matrix).sum() / (base.norm() * matrix.norm())
    if cosine.abs() > 0.9995:
        return (1 - t) * base + t * matrix
    angle = torch.arccos(cosine)
    return (torch.sin((1 - t) * angle) * base + torch.sin(t * angle) * matrix) / torch.sin(angle)
