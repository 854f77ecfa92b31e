"""A prompt as a vector that lies near those of its paraphrases and far from all others, without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from wise.editors.base import Editor
from wise.editors.shared.calibration import Calibration, ScopeEnd
from wise.editors.shared.pooling import AnyPooling, pooled_prompts, poolings
from wise.editors.shared.scope_threshold import scope_queries
from wise.records import EditRecord

Metric = Literal["whitened", "plain"]
"""How embeddings are compared. `plain`: by the cosine, in which what all prompts share counts most. `whitened`: by the
cosine in the metric of training prompts, in which directions count the less, the more prompts differ along them."""

RIDGE = 0.1
"""Of the whitened metric, as a share of its mean eigenvalue: a direction without training prompts counts this much."""

DIRECTIONS = 256
"""Most directions of which training prompts tell how much they count."""


@dataclass(frozen=True)
class Embedding:
    """Pooled states (n, f), less the mean of training prompts, in their metric, with length 1.

    The metric is (C + r I)^-1, C = V diag(s) V^T being the covariance and r a share of its mean eigenvalue: directions
    V (f, k) are shrunk to sqrt(r / (s + r)) of their length, and all others keep theirs. `shrinks` (k,) is what is
    taken away, as a share.
    """

    mean: Tensor
    directions: Tensor
    shrinks: Tensor

    @classmethod
    def measured(cls, states: Tensor, metric: Metric) -> Embedding:
        """From the states (n, f) of training prompts."""
        mean = states.mean(0)
        if metric == "plain":
            return cls(mean, mean.new_empty(len(mean), 0), mean.new_empty(0))
        centred = (states - mean).double()
        _, singular, directions = torch.linalg.svd(centred, full_matrices=False)  # (m,), (m, f)
        powers = singular.square() / len(states)  # eigenvalues of C
        ridge = (RIDGE * powers.sum() / len(mean)).clamp(min=torch.finfo(powers.dtype).tiny)
        kept = powers[:DIRECTIONS] > 0
        shrinks = 1 - (ridge / (powers[:DIRECTIONS][kept] + ridge)).sqrt()
        return cls(mean, directions[:DIRECTIONS][kept].T.contiguous().to(mean), shrinks.to(mean))

    def of(self, states: Tensor) -> Tensor:
        """Vectors of length 1 for states (n, f)."""
        centred = states - self.mean.to(states)
        along = centred @ self.directions.to(states)  # (n, f) x (f, k)
        return normalize(centred - (along * self.shrinks.to(states)) @ self.directions.to(states).T, dim=-1)

    def tensors(self) -> dict[str, Tensor]:
        """Everything, by name."""
        return {"mean": self.mean, "directions": self.directions, "shrinks": self.shrinks}


def fitting_embedding(
    editor: Editor, records: Sequence[EditRecord], pooling: AnyPooling, metric: Metric
) -> tuple[str, Embedding, ScopeEnd]:
    """The way to pool, of those that `pooling` leaves open, that recognises most paraphrases of records held back.

    With the embedding of the others, and where scopes end.
    """
    calibration = Calibration.of(records)
    known = [text for queries in scope_queries(calibration.learned) for _, text in queries]
    found = []
    for each in poolings(pooling):
        embedding = Embedding.measured(pooled_prompts(editor, known, each), metric)
        asked, edits = (
            embedding.of(pooled_prompts(editor, texts, each)) for texts in (calibration.questions, calibration.edits)
        )
        found.append((each, embedding, calibration.end(asked @ edits.T)))  # (q, f) x (f, n)
    return min(found, key=lambda each: each[2].error)
