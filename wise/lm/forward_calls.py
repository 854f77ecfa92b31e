"""What one forward call of a causal language model reads: from the arguments of `forward` and `generate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import Cache

if TYPE_CHECKING:
    from wise.lm.load import CausalModel


@dataclass(frozen=True)
class Call:
    """One forward call of B sequences by L tokens behind `cached` others, which `cache` holds.

    `real` (B, L) tells tokens from padding, `last` (B,) is each sequence's last token that a routing decision
    may look at, `decides` whether it is taken in this call.
    """

    real: Tensor
    last: Tensor
    decides: bool
    cache: Cache | None
    cached: int

    @property
    def length(self) -> int:
        """L, padding included."""
        return self.real.shape[1]

    def starting(self) -> Call:
        """The same call, deciding."""
        return replace(self, decides=True)

    def up_to(self, end: int) -> Call:
        """The same call, deciding on nothing from position `end` (of the whole text) on."""
        return replace(self, last=last_real(self.real[:, : max(1, end - self.cached)]))


def reading_call(args: tuple, kwargs: Mapping[str, Any]) -> Call:
    """The call from the arguments of the backbone's `forward`; it decides where nothing comes before."""
    ids = args[0] if args else kwargs.get("input_ids")
    ids = kwargs["inputs_embeds"] if ids is None else ids
    cache = kwargs.get("past_key_values")
    cached = 0 if cache is None else int(cache.get_seq_length())
    real = real_tokens(kwargs.get("attention_mask"), ids, cached)
    return Call(real, last_real(real), cached == 0, cache, cached)


def last_real(real: Tensor) -> Tensor:
    """The right-most token of each sequence that is no padding, (B, L) -> (B,)."""
    return (real * torch.arange(real.shape[1], device=real.device)).argmax(1)


def real_tokens(mask: Tensor | Mapping[str, Tensor] | None, ids: Tensor, cached: int) -> Tensor:
    """Which of the call's tokens `ids` (B, L, ...) are no padding, (B, L).

    `mask` is (B, S) over all tokens so far, or (B, 1, L, S) as `generate` makes it for static caches, one of them
    for each kind of attention: there a token is real where it attends to itself, which every window lets it.
    """
    size, length = ids.shape[:2]
    if isinstance(mask, Mapping):
        mask = next((kind for kind in mask.values() if kind is not None), None)
    if mask is None:
        return torch.ones(size, length, dtype=torch.bool, device=ids.device)
    if mask.dim() == 2:
        return mask[:, -length:].bool()
    first = min(cached, mask.shape[-1] - length)  # a full sliding window has moved on: the new tokens are its last
    itself = mask[:, 0, :, first : first + length].diagonal(dim1=1, dim2=2)  # (B, L); 0 lets through where additive
    return (itself if mask.dtype == torch.bool else itself == 0).expand(size, -1)


def prompt_length(args: tuple, kwargs: Mapping[str, Any]) -> int | None:
    """Tokens of the prompt that `generate` is given, padding included; None where it is given none."""
    ids = args[0] if args else kwargs.get("inputs", kwargs.get("input_ids"))
    prompt = kwargs.get("inputs_embeds", ids)
    return None if prompt is None else prompt.shape[1]


def chunk_size(model: CausalModel, args: tuple, kwargs: Mapping[str, Any]) -> int | None:
    """Tokens of the prompt that `generate` reads at a time, None for all at once."""
    config = kwargs.get("generation_config", args[1] if len(args) > 1 else None) or model.generation_config
    return kwargs.get("prefill_chunk_size", config.prefill_chunk_size)
