"""The released code's sums in the released code's order, for comparing in float64.

Norms of the model compute in float32, so a difference in the last bit of a float64 sum can become one of 1e-8.
Replays therefore train the matrix W' itself, run the whole model on all rows, and take no short cut; loop,
losses, stops, memories and merging are those of every edit.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from wise.editors.wise.routing import pooled
from wise.editors.wise.training import Edit, Iteration, Replay, SideMemory, Trained, Trainer
from wise.tail.frozen_states import FrozenStates

Pass = tuple[Iteration, list[Tensor]]
"""One forward pass of an edit, and the terms of L_memo that were added to its loss."""


class BlockedLinear(torch.autograd.Function):
    """y = x W'^T whose gradient for W' is summed over `block` tokens at a time (0: over all at once)."""

    @staticmethod
    def forward(ctx: Any, inner: Tensor, weight: Tensor, bias: Tensor | None, block: int) -> Tensor:
        """`inner` (B, L, f), `weight` (d, f) -> (B, L, d)."""
        ctx.save_for_backward(inner)
        ctx.block = block
        return nn.functional.linear(inner, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        """From dy (B, L, d)."""
        (inner,) = ctx.saved_tensors
        tokens, outputs = inner.flatten(0, 1), gradient.flatten(0, 1)  # (B * L, f), (B * L, d)
        block = ctx.block or len(tokens)
        total = outputs[:block].T @ tokens[:block]  # (d, block) x (block, f)
        for first in range(block, len(tokens), block):
            total = total + outputs[first : first + block].T @ tokens[first : first + block]
        return None, total, None, None


class ExactSideMemory(SideMemory):
    """W' (d, f) trained by full forward passes over `everything`, the edit's rows and the irrelevant one.

    `weight` is W' as it goes on, None for a new shard; `block` see `BlockedLinear`. Every pass is added to `passes`.
    """

    def __init__(
        self, weight: Tensor | None, everything: FrozenStates, block: int, passes: list[Pass], *rest: Any
    ) -> None:
        super().__init__(*rest)
        self.everything, self.block, self.passes = everything, block, passes
        start = self.tail.site.weight + self.variable.detach() if weight is None else weight
        self.variable = start.clone().requires_grad_(True)

    def forward(self) -> Iteration:
        """See `SideMemory.forward`."""
        batch, before = self.everything.batch, self.everything.output
        output = BlockedLinear.apply(self.everything.inner, self.variable, self.tail.site.bias, self.block)
        hook = self.tail.site.module.register_forward_hook(lambda *_: output)
        try:
            logits = self.tail.lm.model(
                input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
            ).logits
        finally:
            hook.remove()
        loss = _loss(logits[:-1, :-1], batch.input_ids[:-1, 1:], batch.start[:-1])
        activation, far = self.step.activation or nn.Identity(), self.rows.outside
        gaps = torch.linalg.vector_norm(activation(output) - activation(before), dim=-1)  # (B, L)
        outside = pooled(gaps[:-1], far) if isinstance(far, Tensor) else pooled(gaps[-1:], far.span)
        seen = self.judged(loss, gaps[:-1], outside, gaps[-1:])
        self.passes.append((seen, []))
        return seen

    @torch.no_grad()
    def update(self, gradient: Tensor, active: Tensor) -> None:
        """See `SideMemory.update`; as SGD computes it."""
        config, base = self.step.config, self.tail.site.weight
        gradient = gradient * self.mask
        gradient.add_(self.variable, alpha=config.weight_decay)
        self.variable.add_(gradient * active, alpha=-self.step.lr)
        if config.clamp:
            self.variable.copy_(self.variable.clamp(min=base - config.clamp, max=base + config.clamp))

    def change(self) -> Tensor:
        """W' - W0 (d, f), with its gradient."""
        return self.variable - self.tail.site.weight


class ExactTrainer(Trainer):
    """Trains on `everything`, the rows of the edit and the irrelevant one, with sums over `block` tokens at a time.

    `weight` is W' of the open memory to the last bit, None for a new one. `passes` are those of the last edit.
    """

    everything: FrozenStates
    weight: Tensor | None = None
    block: int = 0
    passes: list[Pass]

    def __call__(self, edit: Edit, delta: Tensor, mask: Tensor, replay: Replay | None = None) -> Trained:
        """See `Trainer`."""
        self.passes = []
        return super().__call__(edit, delta, mask, None if replay is None else partial(self._noted, replay))

    def _noted(self, replay: Replay, change: Tensor) -> list[Tensor]:
        """The terms of L_memo of an update (d, f), also kept with the pass that they belong to."""
        terms = replay(change)
        self.passes[-1][1].extend(terms)
        return terms

    def side_memory(self, edit: Edit, delta: Tensor, mask: Tensor) -> SideMemory:
        """See `Trainer.side_memory`."""
        exact = self.weight, self.everything, self.block, self.passes
        return ExactSideMemory(*exact, self.tail, edit.rows, edit.step, delta, mask)


def _loss(logits: Tensor, following: Tensor, start: Tensor) -> Tensor:
    """Mean over rows of summed losses of t target tokens, divided by t + 1: logits (B, L - 1, V), tokens (B, L - 1)."""
    at = torch.arange(following.shape[1])
    counted = at >= start[:, None] - 2  # one position more than there are target tokens
    wanted = following.masked_fill(at < start[:, None] - 1, -100)
    losses = nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), wanted.reshape(-1), reduction="none")
    return pooled(losses.view(following.shape), counted).mean()
