"""Free greedy answers in batches: what a user of the edited model reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from wise.lm.batch import Encoded, by_length, collate, opened, tokenize
from wise.lm.load import LanguageModel
from wise.lm.plain_settings import plain_settings


def generate_answers(
    lm: LanguageModel, prompts: Sequence[str], max_new_tokens: int = 16, batch_size: int = 64
) -> list[str]:
    """Continue each prompt greedily until one of the model's own end tokens or `max_new_tokens`.

    Prompts are padded on the left, in batches of like length; a KV cache is used.
    """
    answers = generate_tokens(lm, prompts, max_new_tokens, batch_size)
    return [text.strip() for text in lm.tokenizer.batch_decode(answers, skip_special_tokens=True)]


def generate_tokens(
    lm: LanguageModel, prompts: Sequence[str], max_new_tokens: int = 16, batch_size: int = 64
) -> list[list[int]]:
    """The same as token ids, with padding behind an end token."""
    return continue_tokens(lm, prompt_tokens(lm, prompts), max_new_tokens, batch_size)


def prompt_tokens(lm: LanguageModel, prompts: Sequence[str]) -> list[list[int]]:
    """The prompts as the model is given them to continue."""
    return [ids for ids, _ in tokenize(lm, prompts)]


def answer_of_length(lm: LanguageModel, prompt: str, new_tokens: int) -> None:
    """A greedy answer of exactly `new_tokens` tokens, to be timed: one that ends earlier would take less time."""
    inputs = lm.tokenizer(opened(lm, [prompt]), return_tensors="pt", add_special_tokens=not lm.chat)
    with torch.inference_mode(), plain_settings(lm.model):
        lm.model.generate(
            input_ids=inputs["input_ids"].to(lm.device),
            attention_mask=inputs["attention_mask"].to(lm.device),
            min_new_tokens=new_tokens,
            max_new_tokens=new_tokens,
            do_sample=False,
            pad_token_id=lm.pad,
        )


def continue_tokens(
    lm: LanguageModel,
    texts: Sequence[Sequence[int]],
    max_new_tokens: int = 16,
    batch_size: int = 64,
    past_end: bool = False,
) -> list[list[int]]:
    """What is generated behind texts that are tokens already; with `past_end` exactly `max_new_tokens`."""
    ends = lm.vocabulary if past_end else lm.ends  # the number behind the last token never comes
    sequences = [Encoded(tuple(ids), len(ids)) for ids in texts]
    answers: list[list[int]] = [[]] * len(sequences)
    for indices in by_length(sequences, batch_size):
        batch = collate([sequences[i] for i in indices], lm.pad, lm.device, side="left")
        with torch.inference_mode(), plain_settings(lm.model):
            tokens = lm.model.generate(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=lm.tokenizer.pad_token_id,
                eos_token_id=ends,
            )
        new = tokens[:, batch.input_ids.shape[1] :]
        for index, row in zip(indices, new.tolist(), strict=True):
            answers[index] = row
    return answers
