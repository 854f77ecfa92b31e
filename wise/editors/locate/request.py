"""One edit as rows of tokens, with the token of each row whose hidden state carries the fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wise.errors import DataError
from wise.lm.batch import Batch, collate, encode, encode_prompts, tokenize
from wise.lm.load import LanguageModel
from wise.records import EditRecord

Token = Literal["subject_last", "prompt_last"]
"""The edited token: the last one of the subject, as published, or the last one of the prompt."""

NEIGHBOUR = "{} is a"
"""A text about the subject whose continuation an edit should leave as it is (ROME, section 3.1)."""


@dataclass(frozen=True)
class Request:
    """`batch` holds the prompts with the edit's target in rows 0 to `prompts` - 1, the plain prompt first.

    One row more is the neighbour text, where it is asked for. `token` (B,) is the edited token of each row.
    """

    record: EditRecord
    batch: Batch
    token: Tensor
    prompts: int

    @property
    def neighbour(self) -> bool:
        """Whether the last row is the neighbour text."""
        return len(self.token) > self.prompts

    def keys(self, inner: Tensor) -> Tensor:
        """Inputs (prompts, f) of the matrix at the edited token of every prompt, out of `inner` (B, L, f)."""
        rows = torch.arange(self.prompts, device=inner.device)
        return inner[rows, self.token[: self.prompts]]


def build_request(
    lm: LanguageModel, record: EditRecord, prompts: Sequence[str], token: str, neighbour: bool
) -> Request:
    """Tokenize the `prompts`, each of which ends with the record's own; `token` is one of `Token`.

    `neighbour` asks for the neighbour text; a record without a subject has none. Raises `DataError` where the last
    token of the subject is to be edited and the prompt does not name the subject.
    """
    targets = [record.target] * len(prompts)
    sequences = encode(lm, prompts, targets)
    if token == "prompt_last":
        edited = [sequence.start - 1 for sequence in sequences]
    else:
        behind = len(record.prompt) - subject_end(record)  # characters behind the subject
        edited = last_tokens(lm, prompts, [len(prompt) - behind for prompt in prompts], targets)
    if neighbour and record.subject.strip():
        text = NEIGHBOUR.format(record.subject)
        sequences += encode_prompts(lm, [text])
        last = [len(sequences[-1].ids) - 1]
        edited += last if token == "prompt_last" else last_tokens(lm, [text], [len(record.subject)])
    batch = collate(sequences, lm.pad, lm.device)
    return Request(record, batch, torch.tensor(edited, device=lm.device), len(prompts))


def last_tokens(
    lm: LanguageModel, prompts: Sequence[str], ends: Sequence[int], targets: Sequence[str] | None = None
) -> list[int]:
    """For each prompt, its target behind it, the index of the token that holds the character in front of `end`."""
    return [
        max(index for index, (start, stop) in enumerate(places) if start < min(end, stop))  # special tokens are empty
        for (_, places), end in zip(tokenize(lm, prompts, targets), ends, strict=True)
    ]


def subject_end(record: EditRecord) -> int:
    """Position behind the subject's last occurrence in the prompt."""
    place = record.prompt.rfind(record.subject) if record.subject.strip() else -1
    if place < 0:
        raise DataError(
            f"edit '{record.id}': the prompt {record.prompt!r} does not name the subject {record.subject!r}, whose "
            "last token is to be edited; choose token 'prompt_last', or give the subject as the prompt spells it"
        )
    return place + len(record.subject)
