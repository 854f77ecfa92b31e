"""Free greedy answers in batches: what a user of the edited model reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from wise.lm.batch import opened
from wise.lm.load import LanguageModel


def generate_answers(
    lm: LanguageModel, prompts: Sequence[str], max_new_tokens: int = 16, batch_size: int = 64
) -> list[str]:
    """Continue each prompt greedily until the model's own end token or `max_new_tokens`.

    Prompts are padded on the left, in batches of like length; a KV cache is used.
    """
    answers = generate_tokens(lm, prompts, max_new_tokens, batch_size)
    return [text.strip() for text in lm.tokenizer.batch_decode(answers, skip_special_tokens=True)]


def generate_tokens(
    lm: LanguageModel, prompts: Sequence[str], max_new_tokens: int = 16, batch_size: int = 64
) -> list[list[int]]:
    """The same as token ids, with padding behind an end token."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers: list[list[int]] = [[]] * len(prompts)
    for first in range(0, len(order), batch_size):
        indices = order[first : first + batch_size]
        inputs = lm.tokenizer(
            opened(lm, [prompts[i] for i in indices]),
            return_tensors="pt",
            padding=True,
            padding_side="left",
            add_special_tokens=not lm.chat,  # a chat template writes its own
        )
        with torch.inference_mode():
            tokens = lm.model.generate(
                input_ids=inputs["input_ids"].to(lm.device),
                attention_mask=inputs["attention_mask"].to(lm.device),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=lm.tokenizer.pad_token_id,
                eos_token_id=lm.tokenizer.eos_token_id,
            )
        new = tokens[:, inputs["input_ids"].shape[1] :]
        for index, row in zip(indices, new.tolist(), strict=True):
            answers[index] = row
    return answers
