"""Random prefixes that the model writes itself, to augment edit prompts (WISE, appendix A)."""

from __future__ import annotations

from typing import cast

import torch

from wise.errors import ConfigError
from wise.lm.load import LanguageModel
from wise.seeds import generator


def write_contexts(lm: LanguageModel, count: int, length: int, seed: int = 0) -> list[str]:
    """`count` different texts of `length` tokens, sampled from the model behind its first token.

    The draws come from one CPU generator, so the same model and seed give the same texts. Raises
    `ConfigError` when the model repeats itself so much that not enough different texts come out.
    """
    tokenizer = lm.tokenizer
    first = cast(int, tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id)
    banned = [i for i in tokenizer.all_special_ids if i < lm.model.config.vocab_size]
    draw = generator(seed, "contexts")
    texts: list[str] = []
    for _ in range(10):  # a short text may come twice; ask again for what is missing
        ids = torch.full((count, 1), first, device=lm.device)
        with torch.inference_mode():
            for _ in range(length):
                logits = (
                    lm.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[:, -1].float().cpu()
                )  # (B, V)
                logits[:, banned] = float("-inf")
                following = torch.multinomial(logits.softmax(-1), 1, generator=draw)  # (B, 1)
                ids = torch.cat([ids, following.to(ids)], 1)
        for row in ids.tolist():
            text = cast(str, tokenizer.decode(row, skip_special_tokens=True)).strip()
            if text and text not in texts:
                texts.append(text)
        if len(texts) >= count:
            return texts[:count]
    raise ConfigError(f"the model wrote only {len(texts)} different contexts of {length} tokens, {count} are wanted")
