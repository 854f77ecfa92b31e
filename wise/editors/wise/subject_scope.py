"""Where a memory answers, told by the subject: prompts with a token that is, to the matrix, an edit's subject.

At the last token of a prompt the wording counts more than what it is about: in real questions another question of the
same wording is nearer to an edit there than its own paraphrase. What a model knows of a subject is gathered at the
subject's last token (ROME, arXiv 2202.05262, section 2; Geva et al., arXiv 2304.14767), which paraphrases share. So
each edit keeps the matrix's input there, whitened, and a prompt is scored by its token that is nearest to one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from wise.editors.wise.thresholds import OUTSIDE
from wise.tail.frozen_states import FrozenStates

LEAST = 0.1
"""Least distance between an edit's own score and that of unrelated prompts which scores are measured by."""

LOWEST, HIGHEST = 0.4, 0.9
"""Bounds of the threshold."""


@dataclass(frozen=True)
class PromptTokens:
    """All tokens of some prompts: the matrix's inputs `inner` (N, f), and the number of its prompt for each (N,)."""

    inner: Tensor
    prompt: Tensor

    @classmethod
    def of(cls, batches: Sequence[FrozenStates]) -> Self:
        """Those of batches in which nothing follows the prompts."""
        inner, prompt, count = [], [], 0
        for frozen in batches:
            real = frozen.batch.attention_mask.bool()
            inner.append(frozen.inner[real])
            prompt.append(real.nonzero()[:, 0] + count)
            count += len(real)
        return cls(torch.cat(inner), torch.cat(prompt))

    def largest(self, scores: Tensor) -> Tensor:
        """The largest of the `scores` (N,) of its tokens for each prompt (n,)."""
        empty = scores.new_full((int(self.prompt.max()) + 1,), -torch.inf)
        return empty.scatter_reduce(0, self.prompt, scores, "amax")


@dataclass(frozen=True)
class SubjectScope:
    """`ways` (m, f + 1): affine functions of a token, each 1 at the subject of an edit, alone or behind a random text,
    and 0 where all but few unrelated prompts stay below.
    """

    ways: Tensor

    @classmethod
    def learned(cls, keys: Tensor, metric: Tensor, unrelated: PromptTokens) -> Self:
        """That of one edit, from its subject's last token `keys` (B, f) in the prompt alone and behind random texts."""
        ways = towards(keys, metric)  # (B, f)
        outside = _largest(unrelated, ways).quantile(1 - OUTSIDE, dim=1)  # (B,)
        apart = (1 - outside).clamp(min=LEAST)[:, None]
        return cls(torch.cat([ways, apart - 1], 1) / apart)

    def scores(self, inner: Tensor, span: Tensor) -> Tensor:
        """The largest value of any edit at any token in the `span` (B, L) of texts `inner` (B, L, f), (B,)."""
        return values(inner, self.ways).amax(-1).masked_fill(~span, -torch.inf).amax(1)


def towards(keys: Tensor, metric: Tensor) -> Tensor:
    """P k / (k P k) (n, f) for keys (n, f) in the `metric` P (f, f) of unrelated texts: times k it is 1."""
    ways = keys.to(metric) @ metric  # (n, f) x (f, f)
    return ways / (ways * keys.to(metric)).sum(-1, keepdim=True)


def _largest(prompts: PromptTokens, ways: Tensor) -> Tensor:
    """The largest value at any token of each prompt of each of the `ways` (n, f), (n, prompts)."""
    scores = prompts.inner.to(ways) @ ways.T  # (N, f) x (f, n)
    return torch.stack([prompts.largest(column) for column in scores.T])


def recognised(keys: Tensor, others: PromptTokens, metric: Tensor) -> float:
    """How often a prompt is recognised in another wording: a share of n prompts, 1 / n by chance.

    `keys` (n, f) are one token of each of n prompts, `others` tokens of n prompts that ask the same in other words. Of
    all prompts, the own one should be the nearest to one of these.
    """
    nearest = _largest(others, towards(keys, metric)).argmax(0)  # (n, n) -> (n,)
    return (nearest == torch.arange(len(keys), device=nearest.device)).float().mean().item()


def values(inner: Tensor, ways: Tensor) -> Tensor:
    """The functions `ways` (n, f + 1) at tokens (..., f), (..., n)."""
    return inner.to(ways) @ ways[:, :-1].T + ways[:, -1]  # (..., f) x (f, n)


def threshold(scopes: Sequence[SubjectScope], unrelated: PromptTokens) -> Tensor:
    """Threshold () of all memories, whose scores are on one scale.

    A prompt is asked of all of them, so it is a quantile of the largest score of unrelated prompts; but at least
    `LOWEST`, and at most `HIGHEST`, so that rounding cannot reject an edit's own prompt, whose score is 1.
    """
    largest = torch.stack([values(unrelated.inner, scope.ways).amax(1) for scope in scopes]).amax(0)  # (k, N) -> (N,)
    return unrelated.largest(largest).quantile(1 - OUTSIDE).clamp(LOWEST, HIGHEST)
