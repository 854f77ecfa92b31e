"""Run a layer at a few positions only, over the keys and values of all of them.

The last layer's output is wanted where a target token is predicted. Its keys and values depend on all
positions, its queries, attention, output projection and FFN only on the wanted ones.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from wise.tail.layer_inputs import Keywords

CACHE_NAMES = ("past_key_values", "layer_past", "past_key_value")
MASKED_ATTENTION = ("eager", "sdpa")
"""Implementations of attention that take one mask row for each query."""


def can_trim(block: nn.Module, keywords: Keywords, attention: str) -> bool:
    """Whether `run_at` holds for this layer: it has a cache and an attention with a mask row for each query."""
    mask = keywords.get("attention_mask")
    masked = mask is None or (isinstance(mask, Tensor) and mask.dim() == 4)
    return masked and attention in MASKED_ATTENTION and cache_name(block) is not None


def keywords_at(keywords: Keywords, positions: Tensor, hidden: Tensor, attention: str) -> Keywords:
    """The layer's arguments for queries at `positions` (B, m) alone, from those for all of `hidden` (B, L, d)."""
    length = hidden.shape[1]
    chosen = dict(keywords)
    if keywords.get("position_ids") is not None:
        chosen["position_ids"] = take(keywords["position_ids"], positions)
    if keywords.get("position_embeddings") is not None:
        chosen["position_embeddings"] = tuple(take(part, positions) for part in keywords["position_embeddings"])
    mask = keywords.get("attention_mask")
    if mask is not None:
        chosen["attention_mask"] = take(mask.transpose(1, 2), positions).transpose(1, 2)  # (B, 1, m, L)
    else:  # left out where it is causal and nothing else
        seen = torch.arange(length, device=positions.device) <= positions[:, None, :, None]  # (B, 1, m, L)
        additive = torch.zeros_like(seen, dtype=hidden.dtype).masked_fill(~seen, torch.finfo(hidden.dtype).min)
        chosen["attention_mask"] = additive if attention == "eager" else seen
    return chosen


def run_at(
    block: nn.Module, hidden: Tensor, positions: Tensor, keywords: Keywords, chosen: Keywords, query: str | None
) -> Tensor:
    """The layer's output (B, m, d) at `positions` (B, m) for the input `hidden` (B, L, d); gradients flow.

    `keywords` are its arguments for all positions, `chosen` those of `keywords_at`. `query` is the path
    of its query projection, which then only runs at the positions; None where it gives keys as well.
    """
    cache = cast(str, cache_name(block))  # see `can_trim`
    harvest = Harvest()
    with _without(cast(nn.Linear, block.get_submodule(query)) if query else None):
        try:
            block(hidden, **keywords | {cache: harvest})
        except Harvested:
            pass  # nothing behind keys and values is wanted at all positions
    output = block(take(hidden, positions), **chosen | {cache: Given(harvest.key, harvest.value)})
    return output[0] if isinstance(output, tuple) else output


def take(values: Tensor, positions: Tensor) -> Tensor:
    """Entries at `positions` (B, m) of the second dimension of `values` (B or 1, L, ...): (B, m, ...)."""
    rows = torch.arange(len(positions), device=positions.device)[:, None]  # (B, 1)
    return values.expand(len(positions), *values.shape[1:])[rows, positions]


def cache_name(block: nn.Module) -> str | None:
    names = inspect.signature(block.forward).parameters
    return next((name for name in CACHE_NAMES if name in names), None)


class Harvested(Exception):
    """Ends a layer's pass as soon as its keys and values are known."""


class Harvest:
    """A cache that keeps the keys and values (B, heads, L, d_head) offered to it, and stops the layer there."""

    key: Tensor
    value: Tensor

    def update(self, key: Tensor, value: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        self.key, self.value = key, value
        raise Harvested


class Given:
    """A cache that holds the keys and values of all positions already."""

    def __init__(self, key: Tensor, value: Tensor) -> None:
        self._states = key, value

    def update(self, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        return self._states


@contextmanager
def _without(projection: nn.Linear | None) -> Iterator[None]:
    """A projection that costs nothing and gives zeros, for a pass whose queries nobody reads."""
    if projection is None or "forward" in vars(projection):  # a wrapped one has to run as it is
        yield
        return
    projection.forward = lambda input: input.new_zeros(()).expand(*input.shape[:-1], projection.out_features)
    try:
        yield
    finally:
        del projection.forward
