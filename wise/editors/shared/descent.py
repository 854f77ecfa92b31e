"""Gradient steps on one matrix, which all editors by fine-tuning share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wise.editors.shared.minimise import trainable
from wise.tail.frozen_states import FrozenStates
from wise.tail.tail import Tail


class Descent:
    """Adam on a copy of `start` (d, f): `W <- clip(Adam(W), start - box, start + box)`, a `box` of 0 for no bound.

    The optimiser is fresh and the box is around `start`, so what one descent leaves behind does not reach the next.
    The copy is in float32 at least, and the result as `start` is.
    """

    def __init__(
        self, start: Tensor, bias: Tensor | None, lr: float, weight_decay: float = 0.0, box: float = 0.0
    ) -> None:
        self.start = start.detach()
        self.bias = bias
        self.box = box
        self.weight = trainable(start)
        self._optimizer = torch.optim.Adam([self.weight], lr=lr, weight_decay=weight_decay)

    def output(self, inner: Tensor) -> Tensor:
        """What the matrix makes of its input (B, L, f) now, (B, L, d); gradients flow to it."""
        return nn.functional.linear(inner, self.weight.to(inner.dtype), self.bias)  # (B, L, f) x (f, d)

    def step(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`, a scalar made from `output`."""
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        if self.box:
            with torch.no_grad():
                start = self.start.to(self.weight.dtype)
                self.weight.clamp_(start - self.box, start + self.box)

    def result(self) -> Tensor:
        """The matrix as it is now, (d, f), in the number format of its start."""
        return self.weight.detach().to(self.start.dtype)

    def state(self) -> dict[str, Tensor]:
        """The matrix and what the optimiser remembers, by name: see `load_state`."""
        return {"weight": self.weight.detach(), **self._optimizer.state[self.weight]}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on, bit for bit, where a descent was that had the same start and gave `state`."""
        with torch.no_grad():
            self.weight.copy_(state["weight"])
        remembered = {name: tensor for name, tensor in state.items() if name != "weight"}
        if remembered:  # Adam counts its steps on the CPU
            self._optimizer.state[self.weight] = remembered | {"step": remembered["step"].cpu()}


class Preservation:
    """KL(p0 || p) between the unedited model p0 and the edited p on unrelated texts, in nats a token."""

    def __init__(self, tail: Tail, frozen: FrozenStates) -> None:
        self.frozen = frozen
        self._tail = tail
        self._real = frozen.batch.attention_mask.bool()  # (B, L)
        with torch.no_grad():
            self._before = self._log_probabilities(frozen.output)  # (N, V)

    def divergence(self, output: Tensor) -> Tensor:
        """Mean over the texts' N tokens when the matrix gives `output` (B, L, d); gradients flow."""
        after = self._log_probabilities(output)
        return nn.functional.kl_div(after, self._before, reduction="batchmean", log_target=True)

    def _log_probabilities(self, output: Tensor) -> Tensor:
        hidden = self._tail.hidden(self.frozen, output)[self._real]  # (N, d)
        return self._tail.lm.logits(hidden).float().log_softmax(-1)  # (N, d) x (d, V)
