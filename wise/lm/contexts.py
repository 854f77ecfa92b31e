"""Texts that the model writes itself: random prefixes that augment edit prompts (WISE, appendix A), and samples."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from transformers import DynamicCache

from wise.errors import ConfigError
from wise.lm.load import LanguageModel
from wise.seeds import generator

DRAWN = 2**24
"""Probabilities that tokens are drawn from at once: a large vocabulary is not held several times over."""

ROUNDS = 10
"""How often a model that repeats itself is asked for more texts."""


def write_contexts(lm: LanguageModel, count: int, length: int, seed: int = 0) -> list[str]:
    """`count` different texts of `length` tokens, sampled from the model behind its first token.

    The draws come from one CPU generator, so the same model and seed give the same texts. Raises
    `ConfigError` when the model repeats itself so much that not enough different texts come out.
    """
    texts = _different(lm, count, length, seed, cached=False)
    if len(texts) < count:
        raise ConfigError(
            f"the model wrote only {len(texts)} different contexts of {length} tokens, {count} are wanted"
        )
    return texts


def write_samples(lm: LanguageModel, count: int, length: int, seed: int) -> list[str]:
    """As `write_contexts`, but several times faster, and with fewer texts where a model repeats itself.

    A key-value cache rounds differently from reading each text anew, and tokens are drawn in another way, so the two do
    not give the same texts. Texts that the model is known to have written before are not written again
    (`LanguageModel.texts`).
    """

    def write() -> list[str]:
        return _different(lm, count, length, seed, cached=True)

    return write() if lm.texts is None else lm.texts.texts(count, length, seed, write)


def _different(lm: LanguageModel, count: int, length: int, seed: int, cached: bool) -> list[str]:
    draw = generator(seed, "contexts")
    texts: list[str] = []
    for _ in range(ROUNDS):  # a short text may come twice; ask again for what is missing
        for row in _sampled(lm, count, length, draw, cached).tolist():
            text = cast(str, lm.tokenizer.decode(row, skip_special_tokens=True)).strip()
            if text and text not in texts:
                texts.append(text)
        if len(texts) >= count:
            break
    return texts[:count]


@torch.inference_mode()
def _sampled(lm: LanguageModel, count: int, length: int, draw: torch.Generator, cached: bool) -> Tensor:
    """Token ids (count, 1 + length): a first token, then draws from the model's own distribution."""
    tokenizer = lm.tokenizer
    starts: Any = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, 0
    banned = [i for i in tokenizer.all_special_ids if i < lm.model.config.vocab_size]
    first = cast(int, next(start for start in starts if start is not None and start < lm.vocabulary))
    ids = torch.full((count, 1), first, device=lm.device)
    rows = max(1, DRAWN // lm.model.config.vocab_size)
    drawn = _drawn_at_once if cached else _drawn
    reading = {"past_key_values": DynamicCache(config=lm.model.config)} if cached else {}
    for _ in range(length):
        last = ids[:, -1:] if cached else ids
        logits = (
            lm.model(input_ids=last, use_cache=cached, logits_to_keep=1, **reading).logits[:, -1].float().cpu()
        )  # (B, V)
        following = torch.cat([drawn(part, banned, draw) for part in logits.split(rows)])  # (B, 1)
        ids = torch.cat([ids, following.to(ids)], 1)
    return ids


def _drawn(logits: Tensor, banned: list[int], draw: torch.Generator) -> Tensor:
    """One token (b, 1) for each row of `logits` (b, V), which are changed, and none of the `banned` ones."""
    return torch.multinomial(_probabilities(logits, banned), 1, generator=draw)


def _drawn_at_once(logits: Tensor, banned: list[int], draw: torch.Generator) -> Tensor:
    """As `_drawn`, from one random number for each row where `multinomial` takes one for each entry.

    For a vocabulary of 262,144 these would cost as much as the model.
    """
    reached = _probabilities(logits, banned).double().cumsum(-1)  # (b, V)
    points = torch.rand(len(logits), 1, generator=draw, device=draw.device, dtype=torch.float64) * reached[:, -1:]
    return torch.searchsorted(reached, points, right=True)


def _probabilities(logits: Tensor, banned: list[int]) -> Tensor:
    """Of all tokens but the `banned` ones; raises `ConfigError` for a model that has none."""
    logits[:, banned] = float("-inf")
    found = logits.softmax(-1)
    if not found.sum().isfinite():
        raise ConfigError("the model's logits are not finite: its weights are damaged, or too large for its precision")
    return found
