"""The value v* that one token's state has to take so that the model gives the target (ROME, equation 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pydantic
import torch
from torch import Tensor

from wise.editors.locate.request import Request, Token
from wise.editors.own_units import OPEN, Own, OwnConstants
from wise.editors.shared.minimise import Evaluation, adam, minimise
from wise.editors.space import Among, Range
from wise.lm.likelihood import hidden_nll
from wise.options import STRICT, AtLeastOne, NotNegative, Positive, Prefixes
from wise.tail.frozen_states import FrozenStates
from wise.tail.tail import Tail


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class ValueConfig(OwnConstants):
    """How v* is found. Published for 7B models: Adam at 0.5, 25 steps, the last token of the subject."""

    token: Annotated[Token, Among(("subject_last", "prompt_last"))] = "subject_last"
    """Which token's state is rewritten: the last one of the subject, as published, or the last one of the prompt."""
    lr: Annotated[Positive, Own(0.5, "output", 0.5), Range(0.05, 2.0)] = OPEN
    """Step size of Adam, which finds the value."""
    steps: Annotated[AtLeastOne, Range(15, 50)] = 25
    """Most steps of one edit."""
    kl: Annotated[NotNegative, Among((0.0, 0.0625, 0.5))] = 0.0625
    """Weight of the divergence from the model before the edit on a text about the subject; 0 for none."""
    weight_decay: Annotated[NotNegative, Range(1e-4, 1.0)] = 1e-3
    """Factor of ||delta|| / ||v0||^2 in the loss, delta being the change of the state v0."""
    clamp: Annotated[Positive, Range(0.5, 8.0)] = 4.0
    """Longest change of the state, as a share of its own length."""
    stop_loss: NotNegative = 0.05
    """Learning ends when the loss is below it, in nats; 0 for never."""
    context_prefixes: Prefixes = 10
    """Random texts that the prompt is learned behind, beside the prompt alone."""
    norm_anchor: Annotated[bool, Among((False, True))] = False
    """Rescale the value to the mean length that values of training edits have on the unedited model."""
    pilots: AtLeastOne = 100
    """Training edits behind that mean (published with 1000)."""


@dataclass(frozen=True)
class Value:
    """`vector` = v* (d,) in float32, after `iterations` steps; `loss` is the last NLL, in nats per target token."""

    vector: Tensor
    iterations: int
    loss: float


def find_value(tail: Tail, frozen: FrozenStates, request: Request, start: Tensor, config: ValueConfig) -> Value:
    """v* = v0 + delta, with the delta at the edited token of every row that makes the target likely.

    Minimises NLL + kl * KL(p0 || p) + weight_decay * ||delta|| / ||v0||^2 with Adam under ||delta|| <= clamp * ||v0||,
    from delta = 0 on. `frozen` are the rows' states on the model as it stands, `start` = v0 (d,). The delta is added
    to the matrix's output, which adds it to the residual stream. Raises `EditError` for a loss that is not finite.
    """
    objective = _Objective(tail, frozen, request)
    size = start.float().norm()
    delta = torch.zeros_like(start, dtype=torch.float32, requires_grad=True)  # (d,)
    descend = adam([delta], config.lr)

    def evaluate() -> Evaluation:
        nll, divergence = objective(delta)
        return Evaluation(nll + config.kl * divergence + config.weight_decay * delta.norm() / size**2, nll)

    def step(loss: Tensor) -> None:
        descend(loss)
        with torch.no_grad():
            delta.mul_((config.clamp * size / delta.norm()).clamp(max=1.0))

    outcome = minimise(evaluate, step, config.steps, config.stop_loss, request.record)
    return Value(start.float() + delta.detach(), outcome.iterations, outcome.loss)


class _Objective:
    """NLL of the target over the prompts, and divergence on the neighbour text, as functions of delta (d,)."""

    def __init__(self, tail: Tail, frozen: FrozenStates, request: Request) -> None:
        targets = frozen.targets
        positions = torch.arange(frozen.output.shape[1], device=request.token.device)
        self.tail, self.frozen, self.neighbour, self.since = tail, frozen, request.neighbour, request.token
        self.here = (positions == request.token[:, None])[..., None]  # (B, L, 1)
        self.positions = targets.positions.clone()  # (B, m)
        if self.neighbour:
            self.positions[-1] = request.token[-1]
        counts = torch.bincount(targets.rows, minlength=request.prompts)[targets.rows]  # (N,)
        self.share = 1.0 / (counts * request.prompts)  # each row counts alike, each token of a row too
        self.before: Tensor | None = None  # log p0 (V,)

    def __call__(self, delta: Tensor) -> tuple[Tensor, Tensor]:
        targets, lm = self.frozen.targets, self.tail.lm
        output = self.frozen.output + self.here * delta  # (B, L, d)
        hidden = self.tail.at(self.frozen, output, self.positions, self.since)  # (B, m, d)
        losses = hidden_nll(lm, hidden[targets.rows, targets.columns], targets.tokens)  # (N,)
        nll = (losses * self.share).sum()
        if not self.neighbour:
            return nll, nll.new_zeros(())
        after = lm.logits(hidden[-1, 0]).float().log_softmax(-1)  # (d,) x (d, V) -> (V,)
        if self.before is None:  # the first call: delta is zero
            self.before = after.detach()
        return nll, (self.before.exp() * (self.before - after)).sum()
