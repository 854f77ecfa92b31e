"""Which training questions lie inside of an edit's scope, and the similarity where scopes end."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wise.errors import DataError
from wise.records import EditRecord


def scope_queries(records: Sequence[EditRecord]) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """(index of the record, prompt) of questions that an edit should answer (itself, paraphrases), and of its near
    and far irrelevant ones.

    Raises `DataError` for fewer than two records, of which nothing can be told apart.
    """
    if len(records) < 2:
        raise DataError(f"at least two training records are needed to tell scopes apart, found {len(records)}")
    inside, outside = [], []
    for index, record in enumerate(records):
        inside.append((index, record.prompt))
        inside += [(index, probe.prompt) for probe in record.probes if probe.kind == "paraphrase"]
        outside += [(index, probe.prompt) for probe in record.probes if probe.kind.startswith("locality")]
    return inside, outside


def scope_threshold(similarity: Tensor, owner: Tensor, inside: int) -> Tensor:
    """The similarity () where scopes end, for editors that take the most similar edit.

    `similarity` (q, n) of questions to edits, the first `inside` of which lie in the scope of edit `owner` (q,). They
    should reach it with their own edit; with all other edits they should not, and the rest with none.
    """
    own = similarity[:inside].gather(1, owner[:inside, None])[:, 0]  # (inside,)
    others = similarity[:inside].scatter(1, owner[:inside, None], float("-inf")).amax(1)
    return best_threshold(own, torch.cat([others, similarity[inside:].amax(1)]))


def best_threshold(inside: Tensor, outside: Tensor) -> Tensor:
    """The similarity () that both halves of the error, of `inside` (n,) and of `outside` (m,), make smallest in sum.

    In the middle between the two scores that it separates, of several equally good ones the widest gap.
    """
    scores = torch.cat([inside, outside]).double()
    is_inside = torch.arange(len(scores), device=scores.device) < len(inside)
    order = scores.argsort()
    ranked, kind = scores[order], is_inside[order].double()
    missed = kind.cumsum(0) / len(inside)  # inside at or below each score
    taken = 1 - (1 - kind).cumsum(0) / len(outside)  # outside above it
    error, gap = (missed + taken)[:-1], ranked.diff()
    best = torch.where(error <= error.min() + 1e-12, gap, -1.0).argmax()
    return (ranked[best] + ranked[best + 1]).float() / 2
