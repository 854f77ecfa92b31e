"""Where the scopes of edits end, for editors that compare prompts: measured on training records that are held back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from wise.editors.shared.scope_threshold import best_threshold, scope_queries
from wise.errors import DataError
from wise.records import EditRecord

FEWEST = 8
"""Records with a paraphrase in other words that it takes to tell scopes from other prompts."""

HELD = 3
"""Every so many-th of many records is held back."""

FEW = HELD * FEWEST
"""Edits below which the most similar of them is not yet as near to other prompts as that of many will be."""

CLOSED = 0.98
"""Share of other prompts that are left outside, where edits are `FEW` or no paraphrase says how far scopes reach."""


class ScopeEnd(NamedTuple):
    """`threshold` () is the similarity where scopes end, `error` the share that is on the wrong side: that of
    paraphrases and that of other prompts, summed; infinite where it is not known."""

    threshold: Tensor
    error: float


@dataclass(frozen=True)
class Calibration:
    """Questions (q) to edits (n), all of records that are held back; what else is measured comes from `learned`.

    `owner` (q,) is the edit that each question is of. The first `inside` questions are paraphrases; none where no
    record has one in other words: a prompt behind another text ends as the prompt does, and would seem to tell that
    last tokens are all that counts.
    """

    learned: list[EditRecord]
    edits: list[str]
    questions: list[str]
    owner: Tensor
    inside: int

    @classmethod
    def of(cls, records: Sequence[EditRecord]) -> Calibration:
        """Raises `DataError` for fewer than two different prompts, of which nothing can be told apart."""
        reworded = {i for i, prompt in scope_queries(records)[0] if records[i].prompt not in prompt}
        telling = len(reworded) >= FEWEST
        chosen = sorted(reworded) if telling else list(range(len(records)))
        held = _held_back(chosen, len(records))
        kept = list({records[i].prompt: records[i] for i in held}.values())
        if len(kept) < 2:
            raise DataError(f"at least two different training prompts are needed, all are {kept[0].prompt!r}")
        inside, outside = scope_queries(kept)
        prompts = [(i, record.prompt) for i, record in enumerate(kept)]
        paraphrases = [query for query in inside if query not in prompts] if telling else []
        others = [(i, prompt) for i, prompt in outside if prompt not in {record.prompt for record in kept}]
        owner, questions = zip(*paraphrases, *prompts, *others, strict=True)
        learned = [record for i, record in enumerate(records) if i not in set(held)]
        edits = [record.prompt for record in kept]
        return cls(learned or list(records), edits, list(questions), torch.tensor(owner), len(paraphrases))

    def end(self, similarity: Tensor) -> ScopeEnd:
        """Where scopes end, from the `similarity` (q, n) of questions to edits.

        Paraphrases should reach their edit; with all other edits they should not, and other prompts with none.
        """
        count, owner = len(self.edits), self.owner.to(similarity.device)[:, None]
        others = similarity.scatter(1, owner, float("-inf"))[: self.inside + count].amax(1)
        outside = torch.cat([others, similarity[self.inside + count :].amax(1)])
        closed = outside.double().quantile(CLOSED).to(outside)
        if not self.inside:
            return ScopeEnd(closed, float("inf"))
        own = similarity[: self.inside].gather(1, owner[: self.inside])[:, 0]
        threshold = best_threshold(own, outside)
        if count < FEW:
            threshold = threshold.maximum(closed)
        error = (own < threshold).double().mean() + (outside >= threshold).double().mean()
        return ScopeEnd(threshold, error.item())


def _held_back(chosen: list[int], count: int) -> list[int]:
    """Those of the `chosen` of `count` records that are held back.

    A metric is too sure of the prompts that it was measured on, so enough records have to be left for it: every
    so many-th of many is held back, and of few every second, unless there are others beside them.
    """
    if len(chosen) >= FEW:
        return chosen[HELD - 1 :: HELD]
    return chosen if count - len(chosen) >= FEWEST or len(chosen) < 4 else chosen[1::2]
