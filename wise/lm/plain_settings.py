"""A model without its own taste in answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from torch import nn
from transformers import GenerationConfig

KEPT = ("bos_token_id", "eos_token_id", "pad_token_id")
"""What a model's generation config says of its vocabulary, not of its taste."""


KEPT_AS = "_own_settings"
"""Attribute of a model that is asked: how many ask it now, and its own generation config."""

LOCK = threading.Lock()


@contextmanager
def plain_settings(model: nn.Module) -> Iterator[None]:
    """Inside, nothing of the model's generation config counts but its special tokens.

    A config that penalises repetition, say, or asks for several beams, would otherwise shape answers that are meant
    to be greedy: what `generate` is not told it takes from there.
    """
    holders = [cast(Any, part) for part in model.modules() if vars(part).get("generation_config") is not None]
    with LOCK:  # threads may ask one model: the first to come keeps its settings, the last to go gives them back
        for holder in holders:
            depth, own = vars(holder).get(KEPT_AS, (0, holder.generation_config))
            setattr(holder, KEPT_AS, (depth + 1, own))
            holder.generation_config = GenerationConfig(**{key: getattr(own, key, None) for key in KEPT})
    try:
        yield
    finally:
        with LOCK:
            for holder in holders:
                depth, own = getattr(holder, KEPT_AS)
                setattr(holder, KEPT_AS, (depth - 1, own))
                if depth == 1:
                    delattr(holder, KEPT_AS)
                    holder.generation_config = own
