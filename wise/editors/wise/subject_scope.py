"""Where a memory answers, told by the subject: prompts with a token at which the model reads an edit's subject.

At the last token of a prompt the wording counts more than what it is about: in real questions another question of the
same wording is nearer to an edit there than its own paraphrase. What a model knows of a subject is gathered in the
first layers, at the subject's last token (ROME, arXiv 2202.05262, section 2; Geva et al., arXiv 2304.14767), which
paraphrases share. So each edit keeps that state, and a prompt is scored by its token that is nearest to it: by the
cosine in the metric of unrelated texts, in which what all tokens share counts for little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wise.editors.wise.thresholds import OUTSIDE

LOWEST, HIGHEST = 0.6, 0.9
"""Bounds of the threshold. Subjects that are written alike come near to the first, and another wording of a prompt
reaches the second."""


@dataclass(frozen=True)
class PromptTokens:
    """All tokens of some prompts as vectors of length 1, `units` (N, d), and the number of its prompt for each (N,)."""

    units: Tensor
    prompt: Tensor

    def largest(self, scores: Tensor) -> Tensor:
        """The largest of the `scores` (N,) of its tokens for each prompt (n,)."""
        empty = scores.new_full((int(self.prompt.max()) + 1,), -torch.inf)
        return empty.scatter_reduce(0, self.prompt, scores, "amax")


@dataclass(frozen=True)
class SubjectScope:
    """`subjects` (m, d): vectors of length 1 of the edits' subjects in several texts."""

    subjects: Tensor

    def scores(self, units: Tensor, span: Tensor) -> Tensor:
        """Largest cosine (B,) at the tokens `units` (B, L, d) in the `span` (B, L) of each text."""
        return self.cosines(units).masked_fill(~span, -torch.inf).amax(1)

    def cosines(self, units: Tensor) -> Tensor:
        """Largest cosine (...) of each token (..., d) with a subject."""
        return (units @ self.subjects.to(units).T).amax(-1)  # (..., d) x (d, m)


def recognised(subjects: Tensor, others: PromptTokens) -> float:
    """How often a prompt is recognised in another wording: a share of n prompts, 1 / n by chance.

    `subjects` (n, d) are vectors of length 1 of one token of each of n prompts, `others` tokens of n prompts that ask
    the same in other words. Of all prompts, the own one should be the nearest to one of these.
    """
    cosines = others.units @ subjects.to(others.units).T  # (N, d) x (d, n)
    nearest = torch.stack([others.largest(column) for column in cosines.T]).argmax(0)  # (n, n) -> (n,)
    return (nearest == torch.arange(len(subjects), device=nearest.device)).float().mean().item()


def threshold(cosines: Sequence[Tensor], unrelated: PromptTokens) -> Tensor:
    """Threshold () of all memories, whose scores are on one scale; `cosines` (N,) of the unrelated tokens in each.

    A prompt is asked of all of them, so it is a quantile of the largest score of unrelated prompts, within `LOWEST` and
    `HIGHEST`: an edit's own prompt has the score 1.
    """
    largest = torch.stack(list(cosines)).amax(0)  # (k, N) -> (N,)
    return unrelated.largest(largest).quantile(1 - OUTSIDE).clamp(LOWEST, HIGHEST)
