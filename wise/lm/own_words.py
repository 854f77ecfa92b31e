"""Whether a tokenizer writes the words of its own vocabulary whole, as one that was read wrongly does not."""

from __future__ import annotations

import random
import re
from typing import cast

from transformers import PreTrainedTokenizerBase

from wise.errors import ConfigError

WORD = re.compile(r" ?[A-Za-z]{4,}")
LOOKED_AT = 20_000
"""Entries of a vocabulary among which words are searched for."""
ASKED = 500
"""Words that are tried at most; with fewer than a tenth of them, nothing is said."""
LEAST = 0.25
"""Share of words that must come out whole. Those of Gemma 3, Qwen 2, SmolLM2 and GPT-2 all do; of Gemma 3 as
transformers 5.17 reads it from a GGUF file, without most of its merges, 1%. Between them are tokenizers with words that
only stand inside of longer ones."""


def whole_words(tokenizer: PreTrainedTokenizerBase) -> float | None:
    """Share of words in the vocabulary that are encoded as the one token that they are; None where there are too few.

    A model whose words arrive in pieces that it never read answers, but hardly ever well.
    """
    size = len(tokenizer)
    entries = random.Random(0).sample(range(size), min(size, LOOKED_AT))
    texts = {entry: cast(str, tokenizer.decode([entry])) for entry in entries}
    words = [(entry, text) for entry, text in texts.items() if WORD.fullmatch(text)][:ASKED]
    if len(words) < ASKED // 10:
        return None
    return sum(_is_whole(tokenizer, entry, text.strip()) for entry, text in words) / len(words)


def _is_whole(tokenizer: PreTrainedTokenizerBase, entry: int, word: str) -> bool:
    """Whether the word is that one token, at the beginning of a text or behind a space."""
    return any(tokenizer.encode(text, add_special_tokens=False) == [entry] for text in (word, f" {word}"))


def require_whole_words(tokenizer: PreTrainedTokenizerBase, name: str, advice: str) -> None:
    """Raise `ConfigError` with `advice` for a tokenizer that takes most of its own words to pieces."""
    share = whole_words(tokenizer)
    if share is not None and share < LEAST:
        raise ConfigError(
            f"{name}: the tokenizer writes {share:.0%} of the words in its own vocabulary as one token, the others in "
            f"pieces, so the model would not understand what it reads; {advice}"
        )
