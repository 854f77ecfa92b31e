"""Knowledge merging (equation 8): the shards' updates become one side memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wise.errors import unknown


@dataclass(frozen=True)
class Rule:
    """How updates are combined: trim small entries, elect a sign, divide by the weights that took part."""

    trim: bool
    elect: bool
    renormalize: bool


RULES = {
    "ties": Rule(trim=True, elect=True, renormalize=True),
    "sign": Rule(trim=False, elect=True, renormalize=True),
    "magnitude": Rule(trim=True, elect=False, renormalize=False),
    "linear": Rule(trim=False, elect=False, renormalize=False),
}


def merge(deltas: Sequence[Tensor], rule: str = "ties", density: float = 0.53) -> Tensor:
    """One update from the `deltas` = W_i - W_0 of k shards (equal shapes), each with weight 1/k.

    `ties` (Yadav et al. 2023): keep the largest `density` of each update by magnitude; elect for every
    entry the sign of the weighted sum; average the updates that agree with it over their own
    weights. The other rules leave steps of it out, see `RULES`.
    """
    if rule not in RULES:
        raise unknown("merging rule", rule, RULES)
    steps = RULES[rule]
    stacked = torch.stack([trim(delta, density) if steps.trim else delta for delta in deltas])  # (k, d, f)
    weights = torch.full_like(stacked, 1.0 / len(deltas))
    if steps.elect:
        elected = (stacked * weights).sum(0) >= 0  # (d, f), ties count as positive
        agrees = torch.where(elected, stacked > 0, stacked < 0)  # a zero agrees with no sign
        stacked, weights = stacked * agrees, weights * agrees
    merged = (stacked * weights).sum(0)
    if steps.renormalize:
        merged = merged / weights.sum(0).clamp(min=torch.finfo(merged.dtype).tiny)
    return merged


def trim(delta: Tensor, density: float) -> Tensor:
    """Keep the floor(density * n) entries of largest magnitude, zero for the others."""
    kept = math.floor(density * delta.numel())
    if kept >= delta.numel():
        return delta
    flat = torch.zeros_like(delta).flatten()
    index = delta.flatten().abs().topk(kept).indices
    return flat.index_copy(0, index, delta.flatten()[index]).view_as(delta)
