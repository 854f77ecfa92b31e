"""DEFER: a gate beside the edited matrix that hands whole texts over to a value layer (arXiv 2211.11031)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, cast

import pydantic
import torch
from torch import Tensor

from wise.editors.base import EditOutcome
from wise.editors.decision import Reading, Routing
from wise.editors.layout import Layout, Part
from wise.editors.mechanisms.routed import RoutedEditor
from wise.editors.own_units import OPEN, Own, OwnConstants
from wise.editors.shared.loss import edit_loss
from wise.editors.shared.minimise import adam, minimise, trainable
from wise.editors.space import Among, Range
from wise.options import STRICT, AtLeastOne, NotNegative, Positive, Prefixes
from wise.records import EditRecord
from wise.seeds import generator
from wise.tail.frozen_states import FrozenStates


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class DeferConfig(OwnConstants):
    """Published values for 7B models: Adam at 7e-5 of {7e-5, 7e-4, 1e-3}, 100 steps (WISE, appendix A).

    GRACE, which it comes from, trains at 0.1.
    """

    lr: Annotated[Positive, Own(2.0, "fresh_step", 7e-05), Range(0.05, 20.0)] = OPEN
    """Step size of Adam."""
    steps: Annotated[AtLeastOne, Range(20, 100)] = 100
    """Most steps of one edit."""
    stop_loss: Annotated[NotNegative, Among((0.0, 0.02, 0.1))] = 0.0
    """Learning ends when the loss is below it, in nats; 0 for never."""
    context_prefixes: Prefixes = 10
    """Random texts that the prompt is learned behind, beside the prompt alone."""


@dataclass(frozen=True)
class Layers:
    """The gate's `gate` (f,) and `gate_bias` (), the value layer's `value` (d, f) and `value_bias` (d,)."""

    gate: Tensor
    gate_bias: Tensor
    value: Tensor
    value_bias: Tensor

    def open(self, query: Tensor) -> Tensor:
        """g = sigmoid(w q + b), (B,), for q (B, f)."""
        return torch.sigmoid(query @ self.gate.to(query) + self.gate_bias.to(query))  # (B, f) x (f,)

    def answer(self, query: Tensor) -> Tensor:
        """o = W_o q + b_o, (B, d), for q (B, f)."""
        return query @ self.value.to(query).T + self.value_bias.to(query)  # (B, f) x (f, d)


@dataclass(frozen=True)
class Deferral(Routing):
    """The decision on each sequence, with what its matrix gives everywhere where it defers: `value` (B, d)."""

    value: Tensor


class Defer(RoutedEditor):
    """One gate and one value layer for all edits, trained on each edit in turn with nothing that holds them back.

    With q the matrix's input at the last prompt token, it gives g o + (1 - g) W x at every position while an
    edit is learned; at inference o where g >= 0.5 and W x elsewhere. Unrelated texts are never shown to the
    gate, and former edits never again: it drifts, and the value layer forgets.
    """

    name = "defer"
    Config = DeferConfig
    matrices = 4

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._forget()

    def decide(self, reading: Reading) -> Routing | None:
        """Defer where the gate is at least half open."""
        query = reading.query()
        opening = self._layers.open(query)
        threshold = torch.full_like(opening, 0.5)
        return Deferral(opening, threshold, (opening >= threshold).long(), self._layers.answer(query))

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`: the value at every position of the sequences that are deferred."""
        if routing is None:
            return base
        value = cast(Deferral, routing).value
        return torch.where((routing.choice > 0)[:, None, None], value[:, None], base)  # (B, L, d)

    def extra_parameters(self) -> int:
        """Both layers."""
        return sum(tensor.numel() for tensor in self.memory().values())

    def _learn(self, record: EditRecord) -> EditOutcome:
        config: DeferConfig = self.config
        frozen = self.rows(record, config.context_prefixes)
        before = self.memory()
        layers = Layers(**{name: trainable(tensor) for name, tensor in before.items()})
        step = adam(vars(layers).values(), config.lr)
        outcome = minimise(
            lambda: edit_loss(self.tail, frozen, soft_output(layers, frozen)),
            step,
            config.steps,
            config.stop_loss,
            record,
        )
        self._take_memory({name: tensor.detach().to(before[name].dtype) for name, tensor in vars(layers).items()})
        return outcome

    def _forget(self) -> None:
        """Both layers as `torch.nn.Linear` starts them: U(-1/sqrt(f), 1/sqrt(f)), drawn from the seed."""
        width, features = self.site.weight.shape
        draw = generator(self.seed, "defer")
        bound = 1 / math.sqrt(features)
        shapes = {"gate": (features,), "gate_bias": (), "value": (width, features), "value_bias": (width,)}
        drawn = {
            name: (2 * torch.rand(shape, generator=draw, device=draw.device) - 1) * bound
            for name, shape in shapes.items()
        }
        self._layers = Layers(**{name: tensor.to(self.site.weight) for name, tensor in drawn.items()})

    def memory(self) -> dict[str, Tensor]:
        return dict(vars(self._layers))

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        return {"gate": Part("f"), "gate_bias": Part(), "value": Part("d f"), "value_bias": Part("d")}

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        self._layers = replace(self._layers, **memory)


def soft_output(layers: Layers, frozen: FrozenStates) -> Tensor:
    """g o + (1 - g) W x (B, L, d), o at every position alike; gradients flow to the layers."""
    query = frozen.query()
    opening = layers.open(query)[:, None, None]  # (B, 1, 1)
    return opening * layers.answer(query)[:, None] + (1 - opening) * frozen.output
