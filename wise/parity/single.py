"""Merging rules of the released code that look at the first shard only; kept for parity, never for editing."""

from __future__ import annotations

from torch import Tensor

from wise.editors.wise.merging import merge

SINGLE_SHARD_RULES = ("linear", "slerp")


def single_shard_merge(rule: str, base: Tensor, delta: Tensor, weight: float) -> Tensor:
    """Update between the unedited matrix and the first shard, at `weight`: (1 - t) W0 + t W1 or spherically.

    All later shards are lost: a defect of the released code.
    """
    if rule == "linear":
        return weight * delta
    first = base + delta
    between = merge([base.flatten(), first.flatten()], "slerp", weights=[1 - weight, weight])
    return between.view_as(base).to(base.dtype) - base
