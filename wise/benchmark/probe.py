"""Asking an edited model: in batches from what never changes against one full forward pass a question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from wise.benchmark.measure import alternated, ratios, summary
from wise.benchmark.model import random_texts
from wise.errors import ConfigError
from wise.lm.answer import read_answers
from wise.lm.architectures import Site, find_site
from wise.lm.batch import Encoded, collate
from wise.lm.load import LanguageModel
from wise.seeds import generator
from wise.tail.tail import Tail

BATCH_SIZE = 64
"""Questions asked at once, as the verbs that ask do by default."""


def benchmark_probe(
    lm: LanguageModel, layer: int, questions: int, length: int, targets: int, repeats: int, seed: int
) -> dict[str, Any]:
    """Cost of a question both ways, and of the states that the first way finds in its cache.

    The questions are random texts of `length` tokens, of which the last `targets` are the answer. The edited
    matrix serves all of them. Raises `ConfigError` for a layer that is not there and for impossible sizes.
    """
    if not 0 < targets < length or questions < 1:
        raise ConfigError(f"questions must be at least 1, targets from 1 to length - 1 = {length - 1}")
    texts = random_texts(questions, length, lm.model.config.vocab_size, seed, "questions")
    asked = [Encoded(ids, length - targets) for ids in texts]
    site = find_site(lm.model, layer)
    delta = _random_update(site, seed)
    tail, device = Tail(lm, site), lm.device
    by_tail(tail, asked, delta)  # fills the cache and warms up, as the next line does
    one_by_one(lm, site, asked[:1], delta)
    ways = {
        "prefix": lambda: by_prefix_alone(lm, site, asked),
        "tail": lambda: by_tail(tail, asked, delta),
        "full": lambda: one_by_one(lm, site, asked, delta),
    }
    costs, answers = alternated(ways, repeats, device)
    result = {name: summary(values, questions) for name, values in costs.items()}
    clocks = ("wall_seconds", "cpu_seconds")
    both = {clock: result["tail"][clock] + result["prefix"][clock] for clock in clocks}
    return result | {
        "ratio_full_to_tail": ratios(result["full"], result["tail"]),
        "ratio_full_to_tail_with_prefix": ratios(result["full"], both),
        "largest_deviation": (answers["tail"] - answers["full"]).abs().max().item(),
    }


def by_prefix_alone(lm: LanguageModel, site: Site, asked: Sequence[Encoded]) -> Tensor:
    """What never changes, computed anew; it is paid once, however often the model is edited and asked."""
    prefixes = [Tail(lm, site).frozen(asked[first : first + BATCH_SIZE]) for first in _batches(asked)]
    return prefixes[-1].hidden


def by_tail(tail: Tail, asked: Sequence[Encoded], delta: Tensor) -> Tensor:
    """Losses (all target tokens,) in nats, from the cached states."""
    losses: list[float] = []
    for first in _batches(asked):
        frozen = tail.frozen(asked[first : first + BATCH_SIZE])
        with torch.inference_mode():
            output = frozen.output + frozen.inner @ delta.T  # (B, L, f) x (f, d)
            answers = read_answers(frozen.batch, tail.logits(frozen, output))
        losses += [value for answer in answers for value in answer.nll]
    return torch.tensor(losses)


def one_by_one(lm: LanguageModel, site: Site, asked: Sequence[Encoded], delta: Tensor) -> Tensor:
    """The same losses, from the edited model called as it is on one question after the other."""
    losses: list[float] = []
    with _edited(site, delta), torch.inference_mode():
        for sequence in asked:
            batch = collate([sequence], lm.pad, lm.device)
            logits = lm.model(input_ids=batch.input_ids, use_cache=False).logits  # (1, L, V)
            (answer,) = read_answers(batch, logits[0, sequence.start - 1 : -1])
            losses += answer.nll
    return torch.tensor(losses)


@contextmanager
def _edited(site: Site, delta: Tensor) -> Iterator[None]:
    """The edited matrix in place of the model's own."""
    original = site.own
    site.module.weight = site.parameter(site.weight + delta)
    try:
        yield
    finally:
        site.module.weight = original


def _batches(asked: Sequence[Encoded]) -> range:
    return range(0, len(asked), BATCH_SIZE)


def _random_update(site: Site, seed: int) -> Tensor:
    """W' - W0 (d, f), a tenth of W0 in size."""
    noise = torch.randn(tuple(site.weight.shape), generator=generator(seed, "update"), device="cpu")
    return noise.to(site.weight) * (0.1 * site.weight.std())
