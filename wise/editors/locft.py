"""LocFT-BF: breadth-first localised fine-tuning, epochs over all edits (arXiv 2509.22072)."""

from __future__ import annotations

from typing import Annotated

from pydantic.dataclasses import dataclass
from torch import Tensor

from wise.editors.mechanisms.epochs import EpochsEditor
from wise.editors.mechanisms.weight import WeightEditor
from wise.editors.own_units import OPEN, Own, OwnConstants
from wise.editors.shared.descent import Descent
from wise.editors.space import Among, Range
from wise.options import STRICT, AtLeastOne, NotNegative, Positive, Prefixes
from wise.tail.frozen_states import FrozenStates


@dataclass(frozen=True, config=STRICT)
class BreadthFirstConfig(OwnConstants):
    """Published values for 7B models: Adam at 5e-4, 25 epochs, mini-batches of 100, layer 22 of 32 (released code)."""

    lr: Annotated[Positive, Own(2.0, "step", 0.0005), Range(0.2, 20.0)] = OPEN
    """Step size of Adam."""
    epochs: Annotated[AtLeastOne, Range(10, 50)] = 25
    """Most passes over all edits."""
    batch: Annotated[AtLeastOne, Among((5, 10, 25, 100))] = 100
    """Edits of a mini-batch."""
    weight_decay: Annotated[NotNegative, Among((0.0, 1e-3, 1e-2))] = 0.0
    """Weight decay of Adam."""
    stop_loss: NotNegative = 1e-2
    """In nats: a mini-batch whose loss is below it makes no step, an epoch whose mean is below it is the last."""
    context_prefixes: Prefixes = 10
    """Random texts that each prompt is learned behind, beside the prompt alone."""


class BreadthFirst(EpochsEditor, WeightEditor):
    """One matrix, trained as in ordinary fine-tuning: every epoch visits all edits once, in a new order.

    The control for all editors that fit one edit after the other: it needs all of them at once, and learns
    anew from the unedited matrix when another one comes.
    """

    name = "locft-bf"
    remedy = "Raise 'lr' or 'epochs'."
    Config = BreadthFirstConfig
    retrains_from_scratch = True

    def _learner(self, edits: int) -> Descent:
        """From the unedited matrix, for every further edit too."""
        with self.unedited():
            return Descent(self.site.weight, self.site.bias, self.config.lr, self.config.weight_decay)

    def _trial(self, learner: Descent, frozen: FrozenStates) -> Tensor:
        return learner.output(frozen.inner)

    def _keep(self, learner: Descent) -> None:
        self._weight = learner.result()
