"""From the corpus to training batches: whole documents packed into rows, each blind to the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from wise.documents import json_lines
from wise.errors import DataError
from wise.options import places

NO_DOCUMENT = -1
"""Document number of padding."""

EVERY_TURN = -1
"""Turn of a text that every epoch reads."""


@dataclass(frozen=True)
class CorpusText:
    """One document: its text, whom it is about, and the character spans that state facts.

    Its first `given` characters are read and not learned. Where there are n turns, from 0 on, a text with one of them
    is read in every n-th epoch.
    """

    subject: str
    text: str
    answers: tuple[tuple[int, int], ...]
    given: int = 0
    turn: int = EVERY_TURN


@dataclass(frozen=True)
class Rows:
    """Packed documents, all (R, L): token ids, place in the document, document number, loss weight.

    `weight[r, i]` is the weight of predicting token i from those before it.
    """

    ids: Tensor
    position: Tensor
    document: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, rows: Tensor) -> Rows:
        """Some of the rows."""
        return Rows(self.ids[rows], self.position[rows], self.document[rows], self.weight[rows])

    def to(self, device: torch.device) -> Rows:
        """The same rows there."""
        return Rows(*(part.to(device) for part in (self.ids, self.position, self.document, self.weight)))

    def attention_bias(self, dtype: torch.dtype) -> Tensor:
        """What is added to attention scores, (R, 1, L, L): 0 for earlier tokens of the same document, else -inf."""
        same = self.document[:, :, None] == self.document[:, None, :]  # (R, L, L)
        visible = (same & torch.ones_like(same).tril()).unsqueeze(1)
        zeros = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
        return zeros.masked_fill_(~visible, torch.finfo(dtype).min)


_TEXT = TypeAdapter(CorpusText)


def read_corpus(path: str | Path) -> list[CorpusText]:
    """Read corpus.jsonl; raises `DataError` naming the line and what it lacks."""
    texts = []
    for number, row in json_lines(path, "corpus"):
        try:
            text = _TEXT.validate_python(row)
        except ValidationError as error:
            raise DataError(f"{path}, line {number}: not a document ({'; '.join(places(error))})") from error
        ends = [0, text.given, *(place for span in text.answers for place in span)]
        if min(ends) < 0 or max(ends) > len(text.text):
            raise DataError(f"{path}, line {number}: 'answers' and 'given' lead outside of the text")
        texts.append(text)
    if not texts:
        raise DataError(f"{path}: holds no documents")
    return texts


def tokenize(
    texts: Sequence[CorpusText], tokenizer: PreTrainedTokenizerBase, other_weight: float, read_weight: float = 1.0
) -> list[tuple[list[int], list[float]]]:
    """Token ids of each document, <eos> included, and the weight of each.

    It is 1 in an answer, `read_weight` in one that follows from what is given, 0 in what is given, else `other_weight`.
    """
    encoded = tokenizer([text.text for text in texts], return_offsets_mapping=True)
    documents = []
    for text, ids, offsets in zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        answering = [any(first < end <= stop for first, stop in text.answers) for _, end in offsets]  # a space may lead
        weights = [(read_weight if text.given else 1.0) if answer else other_weight for answer in answering]
        weights = [0.0 if 0 < end <= text.given else weight for weight, (_, end) in zip(weights, offsets, strict=True)]
        documents.append(([*ids, tokenizer.eos_token_id], [*weights, other_weight]))
    return documents


def pack(documents: Sequence[tuple[list[int], list[float]]], length: int, pad: int, draw: torch.Generator) -> Rows:
    """Put whole documents, in random order, into rows of `length` tokens, each into the first open row with room.

    Raises `DataError` for a document longer than a row.
    """
    rows: list[list[int]] = []
    room: dict[int, int] = {}  # open rows only: one that cannot hold a short sentence is closed
    for index in torch.randperm(len(documents), generator=draw, device=draw.device).tolist():
        size = len(documents[index][0])
        if size > length:
            raise DataError(f"a document has {size} tokens, a row holds {length}; raise the option 'length'")
        row = next((row for row, free in room.items() if free >= size), len(rows))
        if row == len(rows):
            rows.append([])
            room[row] = length
        rows[row].append(index)
        room[row] -= size
        if room[row] < 8:
            del room[row]
    return _tensors(documents, rows, length, pad)


def batches(rows: Rows, size: int, draw: torch.Generator) -> Iterator[Rows]:
    """All rows once, in random order, `size` at a time."""
    for chosen in torch.randperm(len(rows), generator=draw, device=draw.device).split(size):
        yield rows.batch(chosen)


def _tensors(
    documents: Sequence[tuple[list[int], list[float]]], rows: Sequence[Sequence[int]], length: int, pad: int
) -> Rows:
    shape = (len(rows), length)
    packed = Rows(
        ids=torch.full(shape, pad),
        position=torch.zeros(shape, dtype=torch.long),
        document=torch.full(shape, NO_DOCUMENT),
        weight=torch.zeros(shape),
    )
    for row, indices in enumerate(rows):
        start = 0
        for index in indices:
            ids, weights = documents[index]
            stop = start + len(ids)
            packed.ids[row, start:stop] = torch.tensor(ids)
            packed.position[row, start:stop] = torch.arange(len(ids))
            packed.document[row, start:stop] = index
            packed.weight[row, start + 1 : stop] = torch.tensor(weights[1:])  # <bos> is given, not predicted
            start = stop
    return packed
