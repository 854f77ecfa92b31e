"""One WISE edit by full forward passes, as it is usually written: what the tail is compared with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wise.editors.wise.routing import pooled, routing_loss, token_gap, training_span
from wise.editors.wise.training import Step
from wise.lm.architectures import Site
from wise.lm.batch import Batch
from wise.lm.load import LanguageModel

IGNORED = -100
"""Label of a token that is not to be predicted."""


def full_forward_edit(lm: LanguageModel, site: Site, batch: Batch, step: Step, mask: Tensor) -> Tensor:
    """W' - W0 (d, f), zero outside `mask`, after `step.config.steps` steps of SGD.

    The last row of `batch` is the irrelevant text.
    Every step runs the whole model on all rows with W' in place, takes logits at all positions and the cross
    entropy over labels of which most are ignored, and the gradient of W' alone: the model is frozen.
    """
    weight = site.weight.to(torch.promote_types(site.weight.dtype, torch.float32)).clone().requires_grad_(True)
    labels = _labels(batch)
    for _ in range(step.config.steps):
        loss = _loss(lm, site, batch, labels, weight, step)
        (gradient,) = torch.autograd.grad(loss, weight)
        with torch.no_grad():
            weight.sub_(gradient.mul_(mask), alpha=step.lr)
    return weight.detach() - site.weight


def _loss(lm: LanguageModel, site: Site, batch: Batch, labels: Tensor, weight: Tensor, step: Step) -> Tensor:
    """Equations 4 to 7 from one pass over all rows."""
    gaps: list[Tensor] = []

    def in_place(_module: nn.Module, args: tuple[Tensor], before: Tensor) -> Tensor:
        output = nn.functional.linear(args[0], weight.to(args[0].dtype), site.bias)  # (B, L, f) x (f, d)
        gaps.append(token_gap(output - before, before, step.activation))  # (B, L)
        return output

    hook = site.module.register_forward_hook(in_place)
    try:
        logits = lm.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
    finally:
        hook.remove()
    scores = pooled(gaps[0], training_span(batch, step.config.positions))  # (B,)
    routing = routing_loss(scores[:-1], scores[-1:], step.margins, step.config.hinge)
    return _edit_loss(logits[:-1], labels[:-1]) + step.config.routing_weight * routing


def _labels(batch: Batch) -> Tensor:
    """Token that each position predicts (B, L), `IGNORED` where it is not part of a target."""
    rows, positions = batch.predicting()
    labels = torch.full_like(batch.input_ids, IGNORED)
    labels[rows, positions] = batch.input_ids[rows, positions + 1]
    return labels


def _edit_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over rows of the mean loss of a row's target tokens; logits (B, L, V), labels (B, L)."""
    losses = nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), reduction="none")
    counted = labels != IGNORED
    return ((losses.view(labels.shape) * counted).sum(1) / counted.sum(1)).mean()
