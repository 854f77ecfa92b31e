"""Where a memory answers, told by cosines: prompts that the model reads as it reads an edit's prompt.

A score by activation (equation 4) mixes all edits of a memory, and with many memories some memory moves any prompt. So
each edit keeps its *signs*: vectors of what the model reads at a telling token of its prompt, its subject
(`wise.editors.wise.subject_reader`) or its last one (`wise.editors.wise.prompt_reader`), in several texts. A prompt is
scored by its token that is nearest to a sign: by the cosine in the metric of unrelated prompts, in which what all share
counts for little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from wise.editors.base import Editor
from wise.editors.decision import Reading
from wise.editors.wise.thresholds import OUTSIDE
from wise.lm.architectures import Site
from wise.records import EditRecord
from wise.tail.frozen_states import FrozenStates

LOWEST, HIGHEST = 0.6, 0.9
"""Bounds of the threshold. Subjects that are written alike come near to the first, and another wording of a prompt
reaches the second."""


@dataclass(frozen=True)
class PromptTokens:
    """Tokens of some prompts as vectors of length 1, `units` (N, d), and the number of its prompt for each (N,)."""

    units: Tensor
    prompt: Tensor

    def largest(self, scores: Tensor) -> Tensor:
        """The largest of the `scores` (N,) of its tokens for each prompt (n,)."""
        empty = scores.new_full((int(self.prompt.max()) + 1,), -torch.inf)
        return empty.scatter_reduce(0, self.prompt, scores, "amax")


class Reader(Protocol):
    """Reads the tokens of prompts that may tell their scope, as vectors of length 1."""

    @property
    def site(self) -> Site | None:
        """The earlier layer behind which it reads; None where it reads at the edited one."""
        ...

    @property
    def factor(self) -> Tensor:
        """C (d, d) of the metric P = C C^T: cosines of vectors x C are cosines in it."""
        ...

    def seen(self, reading: Reading) -> tuple[Tensor, Tensor]:
        """Vectors (B, l, d) of the tokens of the prompts that are read, and which of them count (B, l)."""
        ...

    def tokens(self, editor: Editor, texts: Sequence[str]) -> PromptTokens:
        """The same of texts."""
        ...

    def signs(self, editor: Editor, record: EditRecord, frozen: FrozenStates) -> Tensor:
        """Vectors (n, d) of an edit: of its prompt alone and behind random texts, the rows of `frozen`."""
        ...


def units(states: Tensor, factor: Tensor) -> Tensor:
    """Vectors of length 1 (..., d) of states (..., d) in the metric of `factor` (d, d)."""
    return torch.nn.functional.normalize(states.to(factor) @ factor, dim=-1)  # (..., d) x (d, d)


@dataclass(frozen=True)
class CosineScope:
    """`signs` (m, d): vectors of length 1 of the edits of one memory."""

    signs: Tensor

    def cosines(self, units: Tensor) -> Tensor:
        """Largest cosine (...) of each token (..., d) with a sign."""
        return (units @ self.signs.to(units).T).amax(-1)  # (..., d) x (d, m)


AT_ONCE = 4096
"""Signs that the tokens of a batch are compared with in one product."""


@dataclass(frozen=True)
class JoinedScopes:
    """The scopes of k memories: all `signs` (m, d), and of each the number of its memory, `owner` (m,)."""

    signs: Tensor
    owner: Tensor
    count: int

    @classmethod
    @torch.inference_mode(False)
    @torch.no_grad()
    def of(cls, scopes: Sequence[CosineScope]) -> JoinedScopes:
        """Those of several memories; none of them is empty. Never inference tensors: they are kept."""
        signs = torch.cat([scope.signs for scope in scopes])
        sizes = torch.tensor([len(scope.signs) for scope in scopes])
        owner = torch.repeat_interleave(torch.arange(len(scopes)), sizes).to(signs.device)
        return cls(signs, owner, len(scopes))

    def scores(self, units: Tensor, span: Tensor) -> Tensor:
        """Largest cosine (B, k) at the tokens `units` (B, L, d) in the `span` (B, L) of each text, in each memory."""
        parts = [
            (units @ part.to(units).T).masked_fill(~span[..., None], -torch.inf).amax(1)  # (B, L, d) x (d, m)
            for part in self.signs.split(AT_ONCE)
        ]
        nearest = torch.cat(parts, 1)  # (B, m)
        empty = nearest.new_full((len(nearest), self.count), -torch.inf)
        return empty.scatter_reduce(1, self.owner.expand_as(nearest), nearest, "amax")


def recognised(signs: Tensor, others: PromptTokens) -> float:
    """How often a prompt is recognised in another wording: a share of n prompts, 1 / n by chance.

    `signs` (n, d) are vectors of length 1 of one token of each of n prompts, `others` tokens of n prompts that ask
    the same in other words. Of all prompts, the own one should be the nearest to one of these.
    """
    cosines = others.units @ signs.to(others.units).T  # (N, d) x (d, n)
    nearest = torch.stack([others.largest(column) for column in cosines.T]).argmax(0)  # (n, n) -> (n,)
    return (nearest == torch.arange(len(signs), device=nearest.device)).float().mean().item()


def threshold(cosines: Sequence[Tensor], unrelated: PromptTokens) -> Tensor:
    """Threshold () of all memories, whose scores are on one scale; `cosines` (N,) of the unrelated tokens in each.

    A prompt is asked of all of them, so it is a quantile of the largest score of unrelated prompts, within `LOWEST` and
    `HIGHEST`: an edit's own prompt has the score 1.
    """
    largest = torch.stack(list(cosines)).amax(0)  # (k, N) -> (N,)
    return unrelated.largest(largest).quantile(1 - OUTSIDE).clamp(LOWEST, HIGHEST)
