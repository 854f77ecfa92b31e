"""Texts of a fixed length behind edit prompts: their n-gram entropy is what editing papers call fluency.

The model goes on past its end tokens, as in ROME (Meng et al. 2022), so that all texts are equally long: an answer
that ends properly would otherwise count as less fluent than one that rambles on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from wise.lm.generate import continue_tokens, prompt_tokens
from wise.lm.load import LanguageModel
from wise.records import EditRecord

LOG = logging.getLogger(__name__)

ASKED_OF = ("none", "opinions", "edits")
"""Edits behind whose prompts a text is written: none, those that are asked for opinions (ConvSent), or all."""

TEXT_TOKENS = 100
"""Tokens of a text, end tokens among them."""


def asked_of(record: EditRecord, fluency: str) -> bool:
    """Whether a text is written behind the prompt of this edit; `fluency` is one of `ASKED_OF`."""
    opinions = any(probe.kind == "opinion" for probe in record.probes)
    return fluency == "edits" or (fluency == "opinions" and opinions)


def long_texts(lm: LanguageModel, prompts: Sequence[str], batch_size: int = 64) -> dict[str, str]:
    """By prompt what the model as it is writes greedily behind it, without the prompt.

    A prompt behind which the context has no room for `TEXT_TOKENS` has none; a warning counts them.
    """
    tokens = dict(zip(prompts, prompt_tokens(lm, prompts), strict=True)) if prompts else {}
    fitting = {prompt: ids for prompt, ids in tokens.items() if len(ids) + TEXT_TOKENS <= lm.context_length}
    if len(fitting) < len(tokens):
        LOG.warning(
            "%d of %d prompts leave no room for %d tokens in the context of %d, and have no fluency",
            len(tokens) - len(fitting),
            len(tokens),
            TEXT_TOKENS,
            lm.context_length,
        )
    written = continue_tokens(lm, list(fitting.values()), TEXT_TOKENS, batch_size, past_end=True)
    texts = lm.tokenizer.batch_decode(written, skip_special_tokens=True) if written else []
    return {prompt: text.strip() for prompt, text in zip(fitting, texts, strict=True)}
