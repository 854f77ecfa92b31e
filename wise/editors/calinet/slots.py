"""Calibration slots: a small FFN of its own beside that of a layer (section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Slots:
    """`key` (c, d), row i of which is the key of slot i, and `value` (d, c), column i of which is its value.

    `gate` (c, d) is the second up-projection of a gated FFN, None in others. `activation` is the FFN's own.
    """

    key: Tensor
    value: Tensor
    gate: Tensor | None
    activation: nn.Module

    @classmethod
    def drawn(
        cls, count: int, width: int, gated: bool, activation: nn.Module, init: str, draw: torch.Generator
    ) -> Slots:
        """Fresh slots, U(-1/sqrt(n), 1/sqrt(n)) for n inputs as layers start; with `init` "zero" values are 0."""

        def uniform(rows: int, inputs: int) -> Tensor:
            return (2 * torch.rand(rows, inputs, generator=draw, device=draw.device) - 1) / inputs**0.5

        key, gate = uniform(count, width), uniform(count, width) if gated else None
        value = torch.zeros(width, count, device=draw.device) if init == "zero" else uniform(width, count)
        return cls(key, value, gate, activation)

    def __call__(self, entering: Tensor) -> Tensor:
        """What is added to the FFN's output for its input (..., d): V act(K x), or V (act(G x) * K x)."""
        entering = entering.to(self.key.dtype)
        matched = entering @ self.key.T  # (..., d) x (d, c)
        if self.gate is None:
            matched = self.activation(matched)
        else:
            matched = self.activation(entering @ self.gate.T) * matched  # (..., d) x (d, c)
        return matched @ self.value.T  # (..., c) x (c, d)

    def tensors(self) -> dict[str, Tensor]:
        """Keys, values and gates by name."""
        named = {"key": self.key, "value": self.value, "gate": self.gate}
        return {name: tensor for name, tensor in named.items() if tensor is not None}

    def with_tensors(self, tensors: dict[str, Tensor]) -> Slots:
        """The same with other `tensors`."""
        return replace(self, **tensors)


class SlotsDescent:
    """Adam on a copy of slots; nothing else of the model is trained."""

    def __init__(self, start: Slots, lr: float) -> None:
        self.slots = start.with_tensors(
            {name: tensor.detach().clone().requires_grad_(True) for name, tensor in start.tensors().items()}
        )
        self._optimizer = torch.optim.Adam(self.slots.tensors().values(), lr=lr)

    def step(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`."""
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()

    def result(self) -> Slots:
        """The slots as they are now."""
        return self.slots.with_tensors({name: tensor.detach() for name, tensor in self.slots.tensors().items()})

    def state(self) -> dict[str, Tensor]:
        """The slots and what the optimiser remembers of each, by name."""
        remembered = {
            f"{name}.{key}": value
            for name, tensor in self.slots.tensors().items()
            for key, value in self._optimizer.state[tensor].items()
        }
        return self.result().tensors() | remembered

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on, bit for bit, where a descent was that gave `state`."""
        for name, tensor in self.slots.tensors().items():
            with torch.no_grad():
                tensor.copy_(state[name])
            own = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
            if own:  # Adam counts its steps on the CPU
                self._optimizer.state[tensor] = own | {"step": own["step"].cpu()}
