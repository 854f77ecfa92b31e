"""SERAC's scope classifier: is a question inside the scope of an edit? (arXiv 2206.06520, section 3)"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wise.editors.serac.config import SeracConfig
from wise.editors.shared.scope_threshold import scope_threshold
from wise.seeds import derive_seed

LEAST = 1e-6
"""Squared distances are at least this in the loss, so that its logarithm is finite."""

HELD_OUT = 5
"""Every so many-th training edit is kept for the calibration."""


@dataclass(frozen=True)
class ScopePairs:
    """States (r, f) of training edits and (q, f) of questions; `owner` (q,) is the edit that a question belongs to,
    the first `inside` questions lie in that edit's scope."""

    edits: Tensor
    questions: Tensor
    owner: Tensor
    inside: int

    def of(self, chosen: Tensor) -> ScopePairs:
        """The pairs of the `chosen` (r,) edits alone, bool."""
        kept = chosen[self.owner]
        owner = chosen.cumsum(0)[self.owner] - 1
        return ScopePairs(self.edits[chosen], self.questions[kept], owner[kept], int(kept[: self.inside].sum()))


class ScopeClassifier(nn.Module):
    """A small network over the frozen model's states of prompts: p(inside) = exp(-||e1 - e2||^2)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.layers = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, states: Tensor) -> Tensor:
        """States (n, f) to embeddings (n, e)."""
        return self.layers((states.to(self.mean) - self.mean) / self.scale)

    @staticmethod
    def distance(queries: Tensor, edits: Tensor) -> Tensor:
        """Squared distances of embeddings, (q, e) and (n, e) to (q, n): |a|^2 + |b|^2 - 2ab."""
        norms = queries.square().sum(-1, keepdim=True) + edits.square().sum(-1)
        return (norms - 2 * queries @ edits.T).clamp(min=0)  # (q, e) x (e, n)


def train_scope(pairs: ScopePairs, config: SeracConfig) -> ScopeClassifier:
    """Fit the classifier with Adam to all pairs of most edits at once, and calibrate it on those of the others.

    A few hundred edits are soon known by heart, and paraphrases of others then seem too far away: distances are
    scaled so that p = 1/2 where scopes of the edits that were held out end. The same for the same pairs.
    """
    held = torch.arange(len(pairs.edits), device=pairs.edits.device) % HELD_OUT == HELD_OUT - 1
    calibrate = held.sum() > 1
    seen = pairs.of(~held) if calibrate else pairs
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(0, "serac", "scope"))
        scope = ScopeClassifier(pairs.edits.shape[1], config.scope_width).to(pairs.edits.device)
    everything = torch.cat([seen.edits, seen.questions]).float()
    scope.mean.copy_(everything.mean(0))
    scope.scale.copy_(everything.std(0).clamp(min=1e-3 * everything.std()))
    optimizer = torch.optim.Adam(scope.parameters(), lr=config.scope_lr)
    for _ in range(config.scope_steps):
        loss = scope_loss(scope.distance(scope(seen.questions), scope(seen.edits)), seen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if calibrate:
        _calibrate(scope, pairs.of(held))
    return scope.eval().requires_grad_(False)


@torch.no_grad()
def _calibrate(scope: ScopeClassifier, held: ScopePairs) -> None:
    """Scale the embeddings so that exp(-d^2) = 1/2 at the distance d where scopes end."""
    similarity = -scope.distance(scope(held.questions), scope(held.edits))
    end = -scope_threshold(similarity, held.owner, held.inside)
    factor = (math.log(2) / end.clamp(min=LEAST)).sqrt()
    for parameter in scope.layers[-1].parameters():  # weight and bias
        parameter.mul_(factor)


def scope_loss(distance: Tensor, pairs: ScopePairs) -> Tensor:
    """Binary cross-entropy with both classes of equal weight; outside are an edit's own irrelevant questions, and
    with the same weight as those the questions of all other edits. `distance` (q, n) is squared.
    """
    distance = distance.clamp(min=LEAST)
    own = pairs.owner[:, None] == torch.arange(len(pairs.edits), device=distance.device)  # (q, n)
    inside = own & (torch.arange(len(distance), device=distance.device) < pairs.inside)[:, None]
    outside = [kind for kind in (own & ~inside, ~own) if kind.any()]
    rejected = -torch.log(-torch.expm1(-distance))  # -log(1 - p)
    return distance[inside].mean() + sum(rejected[kind].mean() for kind in outside) / len(outside)
