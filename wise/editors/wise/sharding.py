"""Knowledge sharding (section 2.3.2): every shard learns in its own random subspace of the matrix."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from wise.errors import unknown
from wise.seeds import generator

Masks = Literal["bernoulli", "disjoint"]


def draw_mask(shape: tuple[int, ...], rho: float, seed: int, shard: int, kind: str = "bernoulli") -> Tensor:
    """Binary gradient mask of one shard, bool of `shape` on the CPU, with a share `rho` of free entries.

    `bernoulli`, the paper's: each entry is free with probability `rho`, independently of the other
    shards, so the expected share of entries that k masks have in common is rho^k (Theorem 2.1).
    `disjoint`: all shards share one uniform number an entry, and shard i owns those in
    [i rho, (i + 1) rho) modulo 1. Masks of k shards do not overlap while k rho <= 1; beyond that,
    every entry is free in floor(k rho) or ceil(k rho) of them, the least overlap there can be.

    Raises ConfigError for a `kind` that is not in `Masks`.
    """
    if kind not in get_args(Masks):
        raise unknown("kind of mask", kind, get_args(Masks))
    if kind == "bernoulli":
        return torch.rand(shape, generator=generator(seed, "mask", shard), device="cpu") < rho
    uniform = torch.rand(shape, generator=generator(seed, "mask"), device="cpu")
    # A shard's end and the next one's start are the same expression, so rounding leaves no gap and no overlap.
    start, stop = shard * rho % 1, (shard + 1) * rho % 1
    above, below = uniform >= start, uniform < stop
    return above & below if start < stop else above | below  # else: the interval wraps around 1
