"""A model without its own taste in answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from torch import nn
from transformers import GenerationConfig

KEPT = ("bos_token_id", "eos_token_id", "pad_token_id")
"""What a model's generation config says of its vocabulary, not of its taste."""


@contextmanager
def plain_settings(model: nn.Module) -> Iterator[None]:
    """Inside, nothing of the model's generation config counts but its special tokens.

    A config that penalises repetition, say, or asks for several beams, would otherwise shape answers that are meant
    to be greedy: what `generate` is not told it takes from there.
    """
    holders = [cast(Any, part) for part in model.modules() if vars(part).get("generation_config") is not None]
    own = [holder.generation_config for holder in holders]
    try:
        for holder, config in zip(holders, own, strict=True):
            holder.generation_config = GenerationConfig(**{key: getattr(config, key, None) for key in KEPT})
        yield
    finally:
        for holder, config in zip(holders, own, strict=True):
            holder.generation_config = config
