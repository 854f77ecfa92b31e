"""Options of MEND."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from wise.options import STRICT, AtLeastOne, Count, NotNegative, Positive


@dataclass(frozen=True, config=STRICT)
class MendConfig:
    """Published values for 7B models, where three layers' gate, up and down projections are edited (at most 100,000
    iterations). Here it is the down-projection of one layer, as for the other editors.

    Published training keeps the best checkpoint of a long run. Here the run is short, and both rates fall linearly
    to zero instead.
    """

    rank: AtLeastOne = 1920
    """Rank of the layers of the network that transforms gradients."""
    alpha: float = 1e-4
    """First value of the learned factor of an update."""
    iterations: AtLeastOne = 100_000
    """Training edits, one an iteration."""
    lr: Positive = 1e-4
    """Step size of Adam in training (the paper of WISE; the configuration released with it has 1e-6)."""
    lr_alpha: Positive = 1e-4
    """Step size of Adam for `alpha`."""
    accumulate: AtLeastOne = 10
    """Training edits behind one step of Adam."""
    clip: Positive = 100.0
    """Largest norm of the gradient in training."""
    c_edit: NotNegative = 0.1
    """Weight of the loss on the edit."""
    c_loc: NotNegative = 1.0
    """Weight of the loss on unrelated texts."""
    context_prefixes: Count = 10
    """Random texts that the prompt is learned behind, beside the prompt alone, in training and in editing."""
