"""Editors whose edits a trained network computes from one gradient."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from wise.editors.base import EditOutcome
from wise.editors.hypernetworks.gradients import TokenGradients, token_gradients
from wise.editors.hypernetworks.training import HypernetworkTrainer
from wise.editors.mechanisms.weight import WeightEditor
from wise.editors.shared.loss import edit_loss, finite
from wise.editors.shared.networks import require_fitting
from wise.errors import ConfigError
from wise.records import EditRecord

LOSSES = "losses"
"""Name, in the artifact, of the network's mean losses (2,) over its last pass of training."""


class HypernetworkEditor(WeightEditor):
    """W <- W + update, one forward and one backward pass an edit.

    The network was fit to gradients of the unedited matrix W0, and to changes of W0. In a stream it reads
    gradients of a matrix that earlier edits have moved and adds to what it has never seen, which is why it falls
    with the number of edits.
    """

    remedy = "Raise 'iterations', or give records of other edits as train."
    _network: Any = None
    _losses: tuple[float, ...] = ()

    @abstractmethod
    def _trainer(self) -> HypernetworkTrainer[Any]:
        """What trains the network."""

    @abstractmethod
    def _untrained(self, tensors: dict[str, Tensor]) -> nn.Module:
        """A network of the options' shape that the trained one's `tensors` are read into."""

    @abstractmethod
    def _update(self, record: EditRecord, tokens: TokenGradients) -> Tensor:
        """The update (d, f) of one edit, from the gradients of its rows."""

    def make_artifact(self, records: Sequence[EditRecord]) -> dict[str, Tensor]:
        """Train the network; parameters and what inputs are normalised by, and `losses` (2,), see `measured`."""
        with self.unedited():
            trained = self._trainer().train(records)
        return {**trained.network.state_dict(), LOSSES: trained.losses}

    def use_artifact(self, tensors: dict[str, Tensor]) -> None:
        """Take over a trained network; raises `ConfigError` for one of another shape, as other options give."""
        parameters = {name: tensor for name, tensor in tensors.items() if name != LOSSES}
        require_fitting(partial(self._untrained, parameters), parameters, f"{self.name}: the prepared network")
        network, losses = self._untrained(parameters), tuple(tensors[LOSSES].tolist())
        network.load_state_dict(parameters)
        super().use_artifact(tensors)
        self._network = network.to(self.lm.device).requires_grad_(False)
        self._losses = losses

    def measured(self) -> dict[str, float]:
        """How well the network learned: means over its last pass of training, in nats a token."""
        if self._network is None:
            return {}
        edit, locality = self._losses
        return {"train_nll": edit, "train_kl": locality}

    def memory_bytes(self) -> int:
        """Bytes of the matrix, and of the network, without which nothing more could be learned."""
        return super().memory_bytes() + sum(tensor.nbytes for tensor in self.prepared.values())

    def _learn(self, record: EditRecord) -> EditOutcome:
        if self._network is None:
            raise ConfigError(f"{self.name} edits with a trained network; call prepare with training records first")
        frozen = self.rows(record, self.config.context_prefixes)
        weight = self.site.weight.detach() if self._weight is None else self._weight
        tokens = token_gradients(self.tail, frozen, weight)
        finite(tokens.loss, record)
        with torch.no_grad():
            after = weight + self._update(record, tokens).to(weight.dtype)  # (d, f)
            output = nn.functional.linear(frozen.inner, after, self.site.bias)  # (B, L, f) x (f, d)
            loss = finite(edit_loss(self.tail, frozen, output).item(), record)
        self._weight = after
        return EditOutcome(1, loss)
