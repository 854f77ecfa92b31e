"""From prompt and target texts to padded token batches that know which tokens answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wise.errors import DataError
from wise.lm.load import LanguageModel
from wise.records import require_characters


@dataclass(frozen=True)
class Encoded:
    """One prompt with its target: `ids[start:]` are the target's tokens."""

    ids: tuple[int, ...]
    start: int

    @property
    def target(self) -> tuple[int, ...]:
        """The target's tokens."""
        return self.ids[self.start :]


@dataclass(frozen=True)
class Batch:
    """Sequences padded to one length; on the right, positions of tokens equal those of the sequence alone.

    `input_ids`, `attention_mask` (B, L); `start` (B,) index of the first target token, so that
    `start - 1` is the last prompt token; `length` (B,) index behind the last token.
    """

    PARTS = ("input_ids", "attention_mask", "start", "length")

    input_ids: Tensor
    attention_mask: Tensor
    start: Tensor
    length: Tensor

    def predicting(self) -> tuple[Tensor, Tensor]:
        """Row and position (N,), (N,) of every token whose logits predict a target token."""
        positions = torch.arange(self.input_ids.shape[1], device=self.input_ids.device)
        inside = (positions >= self.start[:, None] - 1) & (positions < self.length[:, None] - 1)  # (B, L)
        rows, places = inside.nonzero(as_tuple=True)
        return rows, places


def tokenize(
    lm: LanguageModel, prompts: Sequence[str], targets: Sequence[str] | None = None
) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
    """Token ids of each prompt, with " " and its target behind it where `targets` are given, and their places.

    A place (start, end) counts characters from the beginning of the prompt, so that tokens of a chat template in
    front of it have negative ones. A chat template writes its own special tokens; the tokenizer then adds none. An end
    token that a tokenizer puts behind every text is left out: what is asked is to go on. Raises `DataError` for a text
    that is no Unicode and for a tokenizer of another model.
    """
    before, lead = ("", " ") if lm.template is None else (lm.template.before, lm.template.lead)
    texts = opened(lm, prompts)
    if targets is not None:
        texts = [f"{text}{lead}{target.strip()}" for text, target in zip(texts, targets, strict=True)]
    for text in texts:
        require_characters(text)
    tokens = lm.tokenizer(texts, return_offsets_mapping=True, add_special_tokens=not lm.chat)
    for ids, offsets in zip(tokens["input_ids"], tokens["offset_mapping"], strict=True):
        if len(ids) > 1 and ids[-1] == lm.tokenizer.eos_token_id and offsets[-1][0] == offsets[-1][1]:
            ids, offsets = ids[:-1], offsets[:-1]
        if max(ids, default=0) >= lm.vocabulary:
            raise DataError(
                f"the tokenizer of '{lm.name}' writes the token {max(ids)}, and the model has only {lm.vocabulary}: "
                "they do not belong together"
            )
        yield ids, [(start - len(before), end - len(before)) for start, end in offsets]


def opened(lm: LanguageModel, prompts: Sequence[str]) -> list[str]:
    """What the model is given to continue: the prompts themselves, or each as a user's turn up to the assistant's."""
    return list(prompts) if lm.template is None else [f"{lm.template.before}{p}{lm.template.after}" for p in prompts]


def encode(lm: LanguageModel, prompts: Sequence[str], targets: Sequence[str]) -> list[Encoded]:
    """Tokenize `prompt + " " + target`; a token belongs to the target if it ends beyond the prompt.

    For a chat model the prompt is the user's turn, up to where the assistant's begins, and the target the assistant's
    text. Raises `DataError` for an empty target and for a sequence longer than the model's context.
    """
    behind = 0 if lm.template is None else len(lm.template.after)
    encoded = []
    for prompt, target, (ids, places) in zip(prompts, targets, tokenize(lm, prompts, targets), strict=True):
        if not target.strip():
            raise DataError(f"the target of prompt {prompt!r} is empty")
        if len(ids) > lm.context_length:
            raise DataError(f"prompt {prompt[:80]!r} needs {len(ids)} tokens, the context holds {lm.context_length}")
        start = next((i for i, (_, end) in enumerate(places) if end > len(prompt) + behind), len(ids))
        if start in (0, len(ids)):
            raise DataError(f"prompt {prompt!r} with target {target!r} leaves no token before or in the target")
        encoded.append(Encoded(tuple(ids), start))
    return encoded


def fitting(lm: LanguageModel, prompts: Sequence[str], target: str) -> list[str]:
    """The first prompt, and of the others those that the context holds together with the target."""
    if max(map(len, prompts), default=0) + len(target) < lm.context_length // 4:  # a sign has at most four bytes
        return list(prompts)
    told = tokenize(lm, prompts, [target] * len(prompts))
    return [
        p for i, (p, (ids, _)) in enumerate(zip(prompts, told, strict=True)) if not i or len(ids) <= lm.context_length
    ]


def encode_prompts(lm: LanguageModel, prompts: Sequence[str]) -> list[Encoded]:
    """Tokenize prompts that nothing follows: all tokens belong to the prompt."""
    for prompt in prompts:
        if not prompt.strip():
            raise DataError("a prompt is empty")
    return [Encoded(tuple(ids), len(ids)) for ids, _ in tokenize(lm, prompts)]


def collate(sequences: Sequence[Encoded], pad: int, device: torch.device | str = "cpu", side: str = "right") -> Batch:
    """Pad sequences into one `Batch`, on the right or on the left `side`."""
    size = torch.tensor([len(s.ids) for s in sequences])
    width = int(size.max())
    shift = width - size if side == "left" else torch.zeros_like(size)
    ids = torch.full((len(sequences), width), pad)
    for row, sequence in enumerate(sequences):
        ids[row, shift[row] : shift[row] + size[row]] = torch.tensor(sequence.ids)
    at = torch.arange(width)
    mask = ((at >= shift[:, None]) & (at < (shift + size)[:, None])).long()
    start = torch.tensor([s.start for s in sequences]) + shift
    return Batch(ids.to(device), mask.to(device), start.to(device), (shift + size).to(device))


def by_length(sequences: Sequence[Encoded], size: int) -> Iterator[list[int]]:
    """Indices of the sequences in batches of at most `size`, of like length so that little is padding."""
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i].ids))
    for first in range(0, len(order), size):
        yield order[first : first + size]


def unsorted(indices: Iterable[Iterable[int]], values: Iterable[Iterable]) -> list:
    """Put the values of batches given by `indices` back into the order of the sequences."""
    pairs = [pair for batch, group in zip(indices, values, strict=True) for pair in zip(batch, group, strict=True)]
    return [value for _, value in sorted(pairs, key=lambda pair: pair[0])]
