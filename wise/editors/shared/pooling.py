"""One vector for a prompt, from what the model holds of it at the edited matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from wise.editors.base import Editor
from wise.editors.decision import Reading
from wise.editors.layout import Part
from wise.lm.batch import encode_prompts

Pooling = Literal["last", "mean"]
"""`last`: the last prompt token. `mean`: the mean over the prompt's tokens but the first, which looks the same in
every text and would drown the others."""

AnyPooling = Literal["measured", "last", "mean"]
"""One of them, or `measured`: the better one on the training records, for the model and layer at hand."""

POOLINGS: tuple[str, ...] = get_args(Pooling)

NUMBERED = Part(kind="int", below=str(len(POOLINGS)))
"""The number of a pooling in an artifact."""


def poolings(choice: AnyPooling) -> tuple[str, ...]:
    """Those to choose from."""
    return POOLINGS if choice == "measured" else (choice,)


def number_of(pooling: str) -> Tensor:
    """Its number in `POOLINGS` (), as an artifact keeps it."""
    return torch.tensor(POOLINGS.index(pooling))


def pooled(reading: Reading, pooling: str) -> Tensor:
    """The matrix's input, pooled over the prompt, (B, f)."""
    if pooling == "last":
        return reading.query()
    real = reading.real & (torch.arange(reading.real.shape[1], device=reading.real.device) <= reading.last[:, None])
    first = real.long().argmax(1, keepdim=True)  # (B, 1)
    several = real.sum(1, keepdim=True) > 1
    kept = real & ~(several & torch.zeros_like(real).scatter(1, first, True))  # (B, L)
    weights = kept.to(reading.inner) / kept.sum(1, keepdim=True)
    return (reading.inner * weights[..., None]).sum(1)


def pooled_prompts(editor: Editor, prompts: Sequence[str], pooling: str, batch_size: int = 64) -> Tensor:
    """The same for texts, on the unedited model, (n, f)."""
    found = []
    for first in range(0, len(prompts), batch_size):
        frozen = editor.frozen(encode_prompts(editor.lm, prompts[first : first + batch_size]))
        found.append(pooled(Reading.of(frozen), pooling))
    return torch.cat(found)
