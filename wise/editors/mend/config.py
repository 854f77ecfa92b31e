"""Options of MEND."""

from __future__ import annotations

from typing import Annotated

from pydantic.dataclasses import dataclass

from wise.editors.hypernetworks.options import HypernetworkConfig
from wise.editors.own_units import OPEN, Own
from wise.editors.space import Among, Range
from wise.options import STRICT, AtLeastOne, NotNegative, Positive


@dataclass(frozen=True, config=STRICT)
class MendConfig(HypernetworkConfig):
    """Published values for 7B models, where three layers' gate, up and down projections are edited (at most 100,000
    iterations). Here it is the down-projection of one layer, as for the other editors.

    Published training keeps the best checkpoint of a long run. Here the run is short, and both rates fall linearly
    to zero instead.
    """

    rank: Annotated[AtLeastOne, Among((32, 64, 128))] = 64
    """Rank of the layers of the network that transforms gradients."""
    alpha: Annotated[float, Own(1.0, "step", 0.0001), Range(0.1, 10.0)] = OPEN
    """First value of the learned factor of an update."""
    iterations: Annotated[AtLeastOne, Range(100, 800)] = 250
    """Training edits, one an iteration."""
    lr: Annotated[Positive, Own(0.001, "one", 0.0001), Range(1e-4, 1e-2)] = OPEN
    """Step size of Adam in training (the paper of WISE; the configuration released with it has 1e-6)."""
    lr_alpha: Annotated[Positive, Own(0.1, "step", 0.0001), Range(0.005, 1.0)] = OPEN
    """Step size of Adam for `alpha`."""
    accumulate: Annotated[AtLeastOne, Range(1, 10)] = 4
    """Training edits behind one step of Adam."""
    c_edit: Annotated[NotNegative, Own(1.0, "one", 0.1), Range(0.1, 3.0)] = OPEN
    """Weight of the loss on the edit."""
