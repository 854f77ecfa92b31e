"""MEND: one gradient of each edit, made into an update by a trained network (arXiv 2110.11309)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wise.editors.base import EditOutcome
from wise.editors.mechanisms.weight import WeightEditor
from wise.editors.mend.config import MendConfig
from wise.editors.mend.gradients import token_gradients
from wise.editors.mend.network import GradientTransform
from wise.editors.mend.training import Trainer
from wise.editors.shared.loss import edit_loss, finite
from wise.errors import ConfigError
from wise.records import EditRecord
from wise.seeds import generator


class Mend(WeightEditor):
    """W <- W + alpha * G(gradient of the edit at W), one forward and one backward pass an edit.

    The network was fit to gradients of the unedited matrix W0, and to changes of W0. In a stream it reads
    gradients of a matrix that earlier edits have moved and adds to what it has never seen, which is why it falls
    with the number of edits.
    """

    name = "mend"
    remedy = "Raise 'iterations', or give records of other edits as train."
    Config = MendConfig
    matrices = 12
    _network: GradientTransform | None = None
    _losses: tuple[float, ...] = ()

    def make_artifact(self, records: Sequence[EditRecord]) -> dict[str, Tensor]:
        """Train the network; parameters and what tokens are normalised by, and `losses` (2,), see `measured`."""
        with self.unedited():
            trained = Trainer(self.tail, self.config, self.contexts).train(records)
        return {**trained.network.state_dict(), "losses": trained.losses}

    def use_artifact(self, tensors: dict[str, Tensor]) -> None:
        """Take over a trained network; raises `ConfigError` for one of another shape, as other options give."""
        width, features = self.site.weight.shape
        network = GradientTransform(features, width, self.config.rank, self.config.alpha, generator(0, "mend"))
        parameters = {name: tensor for name, tensor in tensors.items() if name != "losses"}
        try:
            network.load_state_dict(parameters)
        except RuntimeError as error:
            raise ConfigError(f"mend: the prepared network does not fit the options and the model ({error})") from error
        super().use_artifact(tensors)
        self._network = network.to(self.lm.device).requires_grad_(False)
        self._losses = tuple(tensors["losses"].tolist())

    def measured(self) -> dict[str, float]:
        """How well the network learned: means over its last pass of training, in nats a token, and alpha."""
        if self._network is None:
            return {}
        edit, locality = self._losses
        return {"train_nll": edit, "train_kl": locality, "alpha": self._network.alpha.item()}

    def memory_bytes(self) -> int:
        """Bytes of the matrix, and of the network, without which nothing more could be learned."""
        return super().memory_bytes() + sum(tensor.nbytes for tensor in self.prepared.values())

    def _learn(self, record: EditRecord) -> EditOutcome:
        if self._network is None:
            raise ConfigError("mend edits with a trained network; call prepare with training records first")
        frozen = self.rows(record, self.config.context_prefixes)
        weight = self.site.weight.detach() if self._weight is None else self._weight
        tokens = token_gradients(self.tail, frozen, weight)
        finite(tokens.loss, record)
        with torch.no_grad():
            after = weight + self._network(tokens.inner, tokens.delta).to(weight.dtype)  # (d, f)
            output = nn.functional.linear(frozen.inner, after, self.site.bias)  # (B, L, f) x (f, d)
            loss = finite(edit_loss(self.tail, frozen, output).item(), record)
        self._weight = after
        return EditOutcome(1, loss)
