"""What a model answers, teacher forced: argmax and likelihood of every target token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wise.lm.batch import Batch, Encoded, by_length, collate, encode, unsorted
from wise.lm.load import LanguageModel


@dataclass(frozen=True)
class Answer:
    """One teacher-forced answer; the lists have one entry per target token, `nll` in nats."""

    target_tokens: list[int]
    predicted_tokens: list[int]
    nll: list[float]

    @property
    def exact(self) -> bool:
        """Whether every target token was the most likely one."""
        return self.target_tokens == self.predicted_tokens


def answer_pairs(
    lm: LanguageModel, prompts: Sequence[str], targets: Sequence[str], batch_size: int = 64
) -> list[Answer]:
    """Ask the model as it is, by full forward passes, to continue each prompt with its target."""
    return answer_sequences(lm, encode(lm, prompts, targets), batch_size)


def answer_sequences(lm: LanguageModel, sequences: Sequence[Encoded], batch_size: int = 64) -> list[Answer]:
    """The same of texts that are tokens already."""
    batches = list(by_length(sequences, batch_size))
    answers = []
    for indices in batches:
        batch = collate([sequences[i] for i in indices], lm.pad, lm.device)
        with torch.inference_mode():
            hidden = lm.model.base_model(
                input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
            ).last_hidden_state  # (B, L, d)
            rows, positions = batch.predicting()
            logits = lm.logits(hidden[rows, positions])  # (N, d) x (d, V)
        answers.append(read_answers(batch, logits))
    return unsorted(batches, answers)


def read_answers(batch: Batch, logits: Tensor) -> list[Answer]:
    """Answers from `logits` (N, V), one row for each of `batch.predicting()`."""
    rows, positions = batch.predicting()
    targets = batch.input_ids[rows, positions + 1]  # (N,)
    nll = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    columns = torch.stack([targets.double(), logits.argmax(-1).double(), nll.double()]).cpu()
    counts = torch.bincount(rows, minlength=len(batch.start)).tolist()
    answers = []
    for target, predicted, losses in zip(*(column.split(counts) for column in columns), strict=True):
        answers.append(Answer(target.int().tolist(), predicted.int().tolist(), losses.tolist()))
    return answers
