"""One edit: gradient steps on one shard of the side memory (equations 5 to 7)."""

from __future__ import annotations

import torch
from torch import Tensor

from wise.editors.base import EditOutcome
from wise.editors.loss import edit_loss, finite
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.routing import Margins, activation_score, routing_loss
from wise.lm.tail import Prefix, Tail
from wise.records import EditRecord


def train_shard(
    tail: Tail,
    prefix: Prefix,
    irrelevant: Tensor,
    delta: Tensor,
    mask: Tensor,
    lr: float,
    margins: Margins,
    config: WiseConfig,
    record: EditRecord,
) -> tuple[Tensor, EditOutcome]:
    """The shard's update `delta` = W' - W0 (d, f) after learning one edit, and how it went.

    W' <- W' - lr * (M * grad) of  -log P_{W'}(y_e | x_e) + routing_weight * L_a, with the side memory in
    use on all positions of all rows of `prefix`. `irrelevant` (m, f) are queries outside the scope;
    they never leave the edited layer.
    """
    queries = prefix.query()  # (B, f)
    delta = delta.clone().requires_grad_(True)
    mask = mask.to(delta.dtype)
    step, value = 0, float("inf")
    while step < config.steps:
        output = prefix.output + prefix.inner @ delta.T  # (B, L, d) + (B, L, f) x (f, d)
        loss = edit_loss(tail, prefix, output)
        routed = routing_loss(activation_score(queries, delta), activation_score(irrelevant, delta), margins)
        value = finite(loss.item(), record)
        if value < config.stop_loss:
            break
        (gradient,) = torch.autograd.grad(loss + config.routing_weight * routed, delta)
        with torch.no_grad():
            delta.addcmul_(gradient, mask, value=-lr)
        step += 1
    return delta.detach(), EditOutcome(step, value)
