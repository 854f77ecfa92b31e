"""Where a memory's scope ends: in the middle between unrelated prompts and its own edits."""

from __future__ import annotations

import torch
from torch import Tensor

OUTSIDE = 0.02
"""Share of unrelated prompts that may reach some memory before any margin is added."""


def between(edits: Tensor, unrelated: Tensor) -> Tensor:
    """Thresholds (k,) of k memories.

    `edits` (k,): the smallest score of each memory's own edits, which always answer. `unrelated` (n, k): scores of
    prompts outside of every scope, in each memory. A prompt is asked of all memories, and taken by any. So each
    memory's scores are brought to one scale by their upper quantile, and the quantile is taken of the largest again.
    The threshold is the geometric mean of that bound and the edits' score, where the bound is the smaller.
    """
    scale = unrelated.quantile(1 - OUTSIDE, dim=0).clamp(min=torch.finfo(unrelated.dtype).tiny)  # (k,)
    bound = scale * (unrelated / scale).amax(1).quantile(1 - OUTSIDE)
    return torch.where(bound < edits, (bound * edits).sqrt(), edits)
