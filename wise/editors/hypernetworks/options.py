"""Options that all editors by a trained network have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from wise.editors.own_units import OwnConstants
from wise.options import STRICT, AtLeastOne, Count, NotNegative, Positive, Prefixes

Tasks = Annotated[tuple[str, ...], Field(strict=False)]
"""Names of tasks; a list of a configuration is taken for a tuple."""


@dataclass(frozen=True, config=STRICT)
class HypernetworkConfig(OwnConstants):
    """The training of a network that computes edits."""

    iterations: AtLeastOne = 250
    """Training edits, one an iteration."""
    accumulate: AtLeastOne = 4
    """Training edits behind one step of the optimiser."""
    clip: Positive = 100.0
    """Largest norm of the gradient in training."""
    c_loc: NotNegative = 1.0
    """Weight of the loss on unrelated texts."""
    context_prefixes: Prefixes = 10
    """Random texts that the prompt is learned behind, beside the prompt alone, in training and in editing."""
    tasks: Tasks = ()
    """Train on records of these tasks alone; empty for all."""
    balanced: bool = False
    """Whether the tasks of the training records take turns, however many records each has."""
    train_seed: Count = 0
    """Seed of the training: the network's start and the order of the records."""
