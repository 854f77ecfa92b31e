"""The gradient of an edit at one matrix, token by token: what a trained network reads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from wise.editors.shared.loss import edit_loss
from wise.tail.frozen_states import FrozenStates
from wise.tail.tail import Tail


class TokenGradients(NamedTuple):
    """For each token that matters the matrix's input x (n, f) and the loss's gradient d (n, d) at its output.

    dL/dW = sum over tokens of d x^T: a matrix (d, f) of rank n at most. `loss` in nats.
    """

    inner: Tensor
    delta: Tensor
    loss: float


def token_gradients(tail: Tail, frozen: FrozenStates, weight: Tensor) -> TokenGradients:
    """x and d of the edit loss where the matrix is `weight` (d, f).

    Tokens whose x or d is zero are left out: padding, and what no target can see. They say nothing of the edit,
    and would count in the mean and the deviation that tokens are normalised by.
    """
    output = nn.functional.linear(frozen.inner, weight, tail.site.bias).requires_grad_(True)  # (B, L, f) x (f, d)
    loss = edit_loss(tail, frozen, output)
    (delta,) = torch.autograd.grad(loss, output)
    matters = frozen.inner.ne(0).any(-1) & delta.ne(0).any(-1)  # (B, L)
    return TokenGradients(frozen.inner[matters], delta[matters], loss.item())
