"""Second moments of the matrices' inputs over training texts: what closed-form updates must leave alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from tqdm import tqdm

from wise.errors import DataError
from wise.lm.architectures import Site
from wise.lm.batch import Batch, by_length, collate, encode_prompts
from wise.lm.load import LanguageModel
from wise.records import EditRecord

SUMS_BYTES = 4 * 2**30
"""Sums that are held at a time. A layer needs 8 f^2 bytes: 8 MiB with f = 1024, 0.9 GiB with f = 11008 (Llama-2-7B,
whose 32 layers are then read four at a time, and whose moments take 15 GB as a float32 artifact)."""


def training_texts(records: Sequence[EditRecord]) -> list[str]:
    """Every text of the records once, in a fixed order: each question with its answer, and the irrelevant texts."""
    texts = {f"{probe.prompt} {probe.target}".strip() for record in records for _, probe in record.questions()}
    return sorted(texts | {record.irrelevant.strip() for record in records if record.irrelevant.strip()})


def second_moments(
    lm: LanguageModel, sites: Sequence[Site], texts: Sequence[str], batch_size: int = 64
) -> dict[str, Tensor]:
    """E[x x^T] (f, f) of each site's input x over all tokens of the texts, float32, as "moment.<layer>"; and "tokens".

    Uncentred, over the tokens of the texts alone (no padding), summed in float64 batch by batch. Raises `DataError`
    for no texts and for one that is longer than the model's context.
    """
    if not texts:
        raise DataError("there are no training texts to measure second moments on")
    sequences = encode_prompts(lm, texts)
    longest = max(range(len(texts)), key=lambda i: len(sequences[i].ids))
    if len(sequences[longest].ids) > lm.context_length:
        raise DataError(f"training text {texts[longest][:80]!r} does not fit the context of {lm.context_length} tokens")
    batches = list(by_length(sequences, batch_size))
    tokens = sum(len(sequence.ids) for sequence in sequences)
    moments = {"tokens": torch.tensor(tokens)}
    with tqdm(total=len(batches) * len(sites), unit="batch", desc="second moments", disable=None) as bar:
        for group in _groups(sites):
            with _summing(group) as sums:
                for indices in batches:
                    _read(group[-1], sums, collate([sequences[i] for i in indices], lm.pad, lm.device))
                    bar.update(len(group))
            for site, total in zip(group, sums.totals, strict=True):
                moments[f"moment.{site.layer}"] = (total / tokens).float().to(lm.device)
    return moments


def _groups(sites: Sequence[Site]) -> Iterator[Sequence[Site]]:
    """The sites in groups whose sums fit into `SUMS_BYTES`."""
    size = max(1, SUMS_BYTES // (8 * sites[0].weight.shape[1] ** 2))
    for first in range(0, len(sites), size):
        yield sites[first : first + size]


class _Sums:
    """Sum of x x^T (f, f) at each site and where it lies, in float64.

    `real` (B, L) tells the tokens of the batch that is read.
    """

    real: Tensor

    def __init__(self, sites: Sequence[Site]) -> None:
        self.totals = [
            torch.zeros(2 * site.weight.shape[1:], dtype=torch.float64, device=site.weight.device) for site in sites
        ]

    def hook(self, number: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        """What adds the input of the matrix of that number."""

        def add(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
            self._add(number, args[0])

        return add

    def _add(self, number: int, inner: Tensor) -> None:
        real = inner.reshape(-1, inner.shape[-1])[self.real.flatten().to(inner.device)]  # (n, f)
        real = real.to(torch.promote_types(real.dtype, torch.float32))
        self.totals[number] += real.T @ real  # (f, n) x (n, f)


@contextmanager
def _summing(sites: Sequence[Site]) -> Iterator[_Sums]:
    """Sums that grow with every batch that the model reads inside the block."""
    sums = _Sums(sites)
    with ExitStack() as hooks:
        for number, site in enumerate(sites):
            hooks.callback(site.module.register_forward_pre_hook(sums.hook(number)).remove)
        yield sums


def _read(last: Site, sums: _Sums, batch: Batch) -> None:
    sums.real = batch.attention_mask.bool()
    with torch.inference_mode():
        last.backbone(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
