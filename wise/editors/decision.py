"""What an editor with several memories decides on, and what it decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wise.tail.frozen_states import FrozenStates

Policy = Literal["prefill", "per_step"]
"""When a sequence is routed: once, on its prompt; or anew in every forward call, as the released WISE does."""

MAIN = "main"
"""Name of the memory that is the unedited model."""


def memory_name(choice: int) -> str:
    """What `Routing.choice` is called in transcripts and answers: "main", or "side 1", "side 2", ..."""
    return f"side {choice}" if choice else MAIN


@dataclass(frozen=True)
class Routing:
    """One decision per sequence, (B,) each: `choice` 0 is the unedited model, i > 0 memory number i.

    A memory answers where `score` reaches `threshold`.
    """

    score: Tensor
    threshold: Tensor
    choice: Tensor


@dataclass(frozen=True)
class Reading:
    """What a routing decision may look at: texts at the site, as far as they have been read.

    `inner` (B, L, f) and `base` (B, L, d) are the matrix's input and its unedited output, `real` (B, L)
    tells tokens from padding, `last` (B,) is the last prompt token, `end` (B,) the last token that may be
    looked at: the same when the decision falls on the prompt, a later one when an answer is read along.
    `early` (B, L, d) are the hidden states behind an earlier layer, where the editor's tail keeps them.
    """

    inner: Tensor
    base: Tensor
    real: Tensor
    last: Tensor
    end: Tensor
    early: Tensor | None = None

    @classmethod
    def of(cls, frozen: FrozenStates, whole: bool = False) -> Reading:
        """The prompts of a batch, or its `whole` texts with their targets."""
        batch = frozen.batch
        last = batch.start - 1
        end = batch.length - 1 if whole else last
        return cls(frozen.inner, frozen.output, batch.attention_mask.bool(), last, end, frozen.early)

    def query(self) -> Tensor:
        """The matrix's input at the last prompt token, (B, f)."""
        return self.inner[torch.arange(len(self.last), device=self.last.device), self.last]
