"""Knowledge sharding (section 2.3.2): every shard learns in its own random subspace of the matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from wise.seeds import generator


def draw_mask(shape: tuple[int, int], rho: float, seed: int, shard: int) -> Tensor:
    """Binary gradient mask of one shard, bool of `shape`: each entry is 1 with probability `rho`.

    The masks of different shards are independent, so the expected share of entries that k of them
    have in common is rho^k (Theorem 2.1).
    """
    return torch.rand(shape, generator=generator(seed, "mask", shard)) < rho


def expected_overlap(rho: float, shards: int) -> float:
    """Expected share of entries that all `shards` masks have in common: rho^k (Theorem 2.1)."""
    return rho**shards
