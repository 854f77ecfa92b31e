"""Lines that a language model writes behind a text, sampled with a seed."""

from __future__ import annotations

import torch

from wise.lm.load import LanguageModel
from wise.seeds import generator


@torch.inference_mode()
def write_lines(lm: LanguageModel, prompt: str, count: int, length: int, seed: int) -> list[str]:
    """`count` continuations of `prompt` up to their first line break, of at most `length` tokens; equal ones once."""
    draw = generator(seed, "lines", prompt)
    ids = torch.tensor([lm.tokenizer(prompt)["input_ids"]] * count, device=lm.device)  # (B, L)
    start = ids.shape[1]
    for _ in range(length):
        logits = lm.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[:, -1].float().cpu()  # (B, V)
        ids = torch.cat([ids, torch.multinomial(logits.softmax(-1), 1, generator=draw).to(ids)], 1)
    texts = lm.tokenizer.batch_decode(ids[:, start:], skip_special_tokens=True)
    return list(dict.fromkeys(line for text in texts if (line := text.split("\n")[0].strip())))
