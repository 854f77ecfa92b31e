"""Merging with the released code's rounding, for where its last bit decides.

Clamped entries are of one size up to the last bit, so rounding decides which of them are the largest, and which sign
wins where two oppose each other. The released code trims in float32 whatever the precision of the matrices, and
votes on updates that have their weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wise.editors.wise.merging import RULES, Rule, largest, survivors


def rounded_merge(
    deltas: Sequence[Tensor], rule: str, density: float, weights: Sequence[float], draw: torch.Generator
) -> Tensor:
    """As `wise.editors.wise.merging.merge`, for all rules but slerp."""
    steps = RULES[rule]
    trimmed = torch.stack([_trimmed(delta, steps, density, draw) for delta in deltas])  # (k, d, f)
    shares = torch.tensor(weights, dtype=trimmed.dtype)[:, None, None]
    weighted = trimmed * shares
    taking_part = torch.ones_like(weighted)
    if steps.elect:
        elected = torch.where(weighted.sum(0) >= 0, 1.0, -1.0)
        taking_part = (weighted.sign() == elected).to(weighted)
    total = (weighted * taking_part).sum(0)
    if not steps.renormalize:
        return total
    divisor = (shares * taking_part).sum(0)
    return total / divisor.masked_fill(divisor.abs() < 1e-8, 1.0)


def _trimmed(delta: Tensor, steps: Rule, density: float, draw: torch.Generator) -> Tensor:
    """The entries of an update that take part, divided by the density where the rule says so."""
    if steps.keep == "all" or density == 1:
        return delta
    if steps.keep == "largest":
        return delta * largest(delta.float(), density)
    kept = delta.float() * survivors(delta, density, draw)
    return (kept / density if steps.rescale else kept).to(delta.dtype)
