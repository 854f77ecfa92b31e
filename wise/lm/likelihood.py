"""Negative log-likelihood of tokens, without a second copy of the logits or without any whole one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from wise.lm.load import LanguageModel

STREAMED = 2**15
"""Vocabulary from which the product with it is made part by part on a CPU. A smaller one is in the cache as a whole."""

PART = 1024
"""Tokens of a part: their rows stay in the processor's cache between the two products that need them."""


def hidden_nll(lm: LanguageModel, hidden: Tensor, tokens: Tensor) -> Tensor:
    """-log p(token), (N,) in nats, from final hidden states `hidden` (N, d); gradients flow to these alone, once.

    On a CPU and with a large vocabulary no (N, V) is ever held, and the vocabulary's matrix is read once for the
    loss and its gradient together; else as `token_nll` of the logits.
    """
    head = lm.model.get_output_embeddings()
    plain = type(head) is nn.Linear and not head.weight.requires_grad
    if not plain or hidden.is_cuda or len(head.weight) < STREAMED:
        return token_nll(lm.logits(hidden), tokens)  # (N, d) x (d, V)
    return _HiddenNll.apply(hidden, head.weight, head.bias, lm.softcap, tokens)


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


class _HiddenNll(torch.autograd.Function):
    """Loss and gradient in one pass over the vocabulary, with the running maximum of an online softmax."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, cap: float | None, tokens: Tensor
    ) -> Tensor:
        wide = torch.promote_types(weight.dtype, torch.float32)
        states = hidden.to(weight.dtype)
        learns = ctx.needs_input_grad[0]
        top = states.new_full((len(states), 1), -torch.inf, dtype=wide)
        total, slope = torch.zeros_like(top), torch.zeros_like(states, dtype=wide)  # (N, 1), (N, d)
        for first in range(0, len(weight), PART):
            part = slice(first, first + PART)
            logits, bend = _capped(_product(states, weight[part], bias, part), cap)  # (N, d) x (d, P)
            above = torch.maximum(top, logits.amax(-1, keepdim=True))
            powers, shrunk = logits.sub_(above).exp_(), (top - above).exp_()
            total = total * shrunk + powers.sum(-1, keepdim=True)
            if learns:
                by_logit = powers if bend is None else powers.mul_(bend)
                slope.mul_(shrunk).add_(by_logit.to(weight.dtype) @ weight[part])  # (N, P) x (P, d)
            top = above
        own = weight[tokens]  # (N, d)
        raw = (states * own).sum(-1, dtype=wide) + (0 if bias is None else bias[tokens])  # (N,)
        picked, bend = _capped(raw, cap)
        if learns:
            slope.div_(total).sub_(own if bend is None else own * bend[:, None])
            ctx.save_for_backward(slope.to(hidden.dtype))
        return (total.log() + top)[:, 0] - picked

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        (slope,) = ctx.saved_tensors
        return gradient[:, None].to(slope.dtype) * slope, None, None, None, None


def _product(states: Tensor, rows: Tensor, bias: Tensor | None, part: slice) -> Tensor:
    """Logits (N, P) of a part of the vocabulary, at least in float32."""
    logits = states @ rows.T if bias is None else torch.addmm(bias[part], states, rows.T)  # (N, d) x (d, P)
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _capped(logits: Tensor, cap: float | None) -> tuple[Tensor, Tensor | None]:
    """Logits behind the model's soft cap, and their derivative by those in front; None for 1."""
    if cap is None:
        return logits, None
    bent = torch.tanh(logits / cap)
    return bent * cap, 1 - bent.square()
