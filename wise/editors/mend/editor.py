"""MEND: one gradient of each edit, made into an update by a trained network (arXiv 2110.11309)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wise.editors.hypernetworks.editor import HypernetworkEditor
from wise.editors.hypernetworks.gradients import TokenGradients, token_gradients
from wise.editors.hypernetworks.lessons import Lessons
from wise.editors.mend.config import MendConfig
from wise.editors.mend.network import GradientTransform
from wise.editors.mend.training import Trainer
from wise.records import EditRecord
from wise.seeds import generator


class Mend(HypernetworkEditor):
    """W <- W + alpha * G(gradient of the edit at W)."""

    name = "mend"
    Config = MendConfig
    matrices = 12

    def measured(self) -> dict[str, float]:
        """See `HypernetworkEditor.measured`; and alpha."""
        found = super().measured()
        return found if self._network is None else found | {"alpha": self._network.alpha.item()}

    def edit_directions(self, record: EditRecord) -> tuple[Tensor, Tensor]:
        """Where an edit lies among others, (f,) and (f,), of length 1, before any edit.

        The mean over its tokens of what the network makes of their inputs x, the left factors of the update, which the
        paper of InstructEdit calls the editing gradient; and the mean of x itself, which the network is given.
        """
        frozen = self.rows(record, self.config.context_prefixes)
        tokens = token_gradients(self.tail, frozen, self.site.weight.detach())
        with torch.no_grad():
            made, _ = self._network.better(tokens.inner, tokens.delta)  # (n, f)
        normalize = nn.functional.normalize
        return normalize(made.mean(0), dim=0), normalize(tokens.inner.mean(0), dim=0)

    def _lessons(self) -> Lessons:
        return Lessons(self.tail, self.config, self.contexts, self.name)

    def _trainer(self) -> Trainer:
        return Trainer(self._lessons())

    def _untrained(self, tensors: dict[str, Tensor]) -> GradientTransform:
        width, features = self.site.weight.shape
        return GradientTransform(features, width, self.config.rank, self.config.alpha, generator(0, self.name))

    def _update(self, record: EditRecord, tokens: TokenGradients) -> Tensor:
        return self._network(tokens.inner, tokens.delta)
