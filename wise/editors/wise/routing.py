"""Knowledge routing (section 2.3.1): the score of a query, the loss that separates, the threshold."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Margins:
    """alpha, beta, gamma of equation 5, in the units of the routing score."""

    alpha: float
    beta: float
    gamma: float


@dataclass(frozen=True)
class Calibration:
    """The model's own scales at a site, measured once on unrelated prompts, before any edit.

    `queries` (n, f): the matrix's inputs at their last tokens. `output_norm`: median of ||W0 x||, the
    unit of the margins. `input_power`: mean of ||x||^2, the inverse unit of the learning rate.
    """

    queries: Tensor
    output_norm: float
    input_power: float

    @classmethod
    def measure(cls, queries: Tensor, weight: Tensor) -> Calibration:
        """From `queries` (n, f) and the unedited matrix `weight` (d, f)."""
        norms = torch.linalg.vector_norm(queries @ weight.T, dim=-1)  # (n, f) x (f, d) -> (n,)
        return cls(queries, norms.median().item(), queries.square().sum(-1).mean().item())


def activation_score(query: Tensor, delta: Tensor) -> Tensor:
    """Equation 4: D(x) = || x (W' - W0) ||_2, from `query` (..., f) and `delta` = W' - W0 (d, f)."""
    return torch.linalg.vector_norm(query @ delta.T, dim=-1)  # (..., f) x (f, d) -> (...)


def routing_loss(edit: Tensor, irrelevant: Tensor, margins: Margins) -> Tensor:
    """Equation 5 over all pairs of edit scores (n,) and irrelevant scores (m,), mean of each hinge.

    L_a = max(0, D(x_i) - alpha) + max(0, beta - D(x_e)) + max(0, gamma - (D(x_e) - D(x_i))).
    """
    gap = edit[:, None] - irrelevant[None, :]  # (n, m)
    return (
        (irrelevant - margins.alpha).relu().mean()
        + (margins.beta - edit).relu().mean()
        + (margins.gamma - gap).relu().mean()
    )
