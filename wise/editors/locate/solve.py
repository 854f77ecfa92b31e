"""Closed-form updates of a matrix W (d, f), in float64: keys are columns (f, n), values columns (d, n)."""

from __future__ import annotations

import torch
from torch import Tensor

from wise.errors import ConfigError


def factor(moment: Tensor, tokens: int) -> Tensor:
    """Cholesky factor (f, f), lower, of C + tr(C) / n I for a second moment C (f, f) of n `tokens`.

    The second term is as if every direction had been used by one mean token more. Without it, texts with fewer tokens
    than features leave C singular, and an update goes where no text has been, which says nothing of an edit's own key.
    It vanishes for the many texts of the published runs.
    """
    moment = moment.double()
    prior = moment.trace() / tokens * torch.eye(len(moment), dtype=moment.dtype, device=moment.device)
    return torch.linalg.cholesky(moment + prior)


def rank_one_update(key: Tensor, inner: Tensor, residual: Tensor, chol: Tensor | None = None) -> Tensor:
    """ROME's update Delta (d, f) with Delta x0 = residual exactly (ROME, equation 2).

    u = C^-1 k / ||C^-1 k||, or k / ||k|| without the factor `chol` of C, and Delta = residual u^T / (x0 . u).
    `key` = k (f,) is the mean key, `inner` = x0 (f,) that of the plain prompt, `residual` = v* - W x0 (d,).
    """
    direction = key.double()
    if chol is not None:
        direction = torch.cholesky_solve(direction[:, None], chol)[:, 0]  # (f, f) x (f,)
    direction = direction / direction.norm()
    return torch.outer(residual.double() / (inner.double() @ direction), direction)  # (d,) x (f,) -> (d, f)


def memit_update(keys: Tensor, residuals: Tensor, chol: Tensor, weight: float) -> Tensor:
    """MEMIT's update Delta (d, f): Delta (weight * C + K K^T) = R K^T (MEMIT, equation 14).

    Solved for n unknowns instead of f, as K^T (weight C + K K^T)^-1 = (weight I + K^T C^-1 K)^-1 K^T C^-1.
    """
    keys, residuals = keys.double(), residuals.double()
    weighted = torch.cholesky_solve(keys, chol)  # C^-1 K, (f, n)
    system = keys.T @ weighted  # (n, f) x (f, n)
    system.diagonal().add_(weight)
    return residuals @ torch.linalg.solve(system, weighted.T)  # (d, n) x (n, f)


def null_space(moment: Tensor, threshold: float) -> Tensor:
    """Orthonormal basis U (f, m) of what training texts hardly use: eigenvalues of C below `threshold`.

    Raises `ConfigError` where no eigenvalue is.
    """
    values, vectors = torch.linalg.eigh(moment.double())  # ascending
    count = int((values < threshold).sum())
    if not count:
        raise ConfigError(
            f"null_threshold {threshold:g} leaves no direction to edit in: the eigenvalues of the second moment "
            f"go from {values[0].item():.3g} to {values[-1].item():.3g}"
        )
    return vectors[:, :count].contiguous()


def null_space_update(past: Tensor, keys: Tensor, residuals: Tensor, ridge: float) -> Tensor:
    """AlphaEdit's update Delta (d, f) from projected keys: X = Delta^T solves, with P = U U^T the projection,

    (P (K K^T + K_p K_p^T) + ridge I) X = P K R^T   (AlphaEdit, equation 12).

    X lies in the range of P. With Q = [P K_p, P K], (f, p + n), therefore X = Q (Q^T Q + ridge I)^-1 [0, I]^T R^T: p
    + n unknowns instead of f.

    `past` = P K_p (f, p), `keys` = P K (f, n), `residuals` = R (d, n).
    """
    everything = torch.cat([past, keys], 1)
    system = everything.T @ everything  # (p + n, f) x (f, p + n)
    system.diagonal().add_(ridge)
    solved = torch.linalg.solve(system, everything.T)  # (p + n, f)
    return residuals.double() @ solved[past.shape[1] :]  # (d, n) x (n, f)
