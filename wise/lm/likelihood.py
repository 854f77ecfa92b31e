"""Negative log-likelihood of tokens in one buffer of (N, V), the largest that an edit's iteration holds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def token_nll(logits: Tensor, tokens: Tensor) -> Tensor:
    """-log softmax(logits)[token], (N,) in nats and at least in float32; gradients flow once.

    `logits` (N, V), `tokens` (N,). `logits` are used up: their memory becomes the probabilities and then
    the gradient. Autograd raises an error where something else still needs them.
    """
    return _TokenNll.apply(logits, tokens)


class _TokenNll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, tokens: Tensor) -> Tensor:
        work = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half precision loses what matters
        top = work.amax(-1, keepdim=True)  # (N, 1)
        picked = work.gather(-1, tokens[:, None]) - top  # (N, 1)
        powers = work.sub_(top).exp_()  # (N, V)
        total = powers.sum(-1, keepdim=True)  # (N, 1)
        ctx.save_for_backward(powers.detach(), total, tokens)
        ctx.dtype = logits.dtype
        return (total.log() - picked)[:, 0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        powers, total, tokens = ctx.saved_tensors
        column = gradient[:, None]  # (N, 1)
        by_logit = powers.mul_(column / total).scatter_add_(-1, tokens[:, None], -column)  # softmax - one-hot
        return by_logit.to(ctx.dtype), None
