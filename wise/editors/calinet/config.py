"""Options of CaliNet."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Le
from pydantic.dataclasses import dataclass

from wise.editors.own_units import OPEN, Own, OwnConstants
from wise.editors.space import Among, Range
from wise.options import STRICT, AtLeastOne, NotNegative, Positive, Prefixes, require


@dataclass(frozen=True, config=STRICT)
class CaliNetConfig(OwnConstants):
    """Published values for T5-base: 64 slots for 100 facts beside the last block's FFN, 5000 steps of Adafactor at a
    constant 1e-2 over all facts at once, each fact in several wordings. There is no published form for models with a
    decoder alone; here a prompt is followed by its target, and the optimiser is Adam.
    """

    slots: Annotated[AtLeastOne, Le(2**24), Among((64, 128, 256))] = 64
    """Calibration slots, at least: keys that are compared with the FFN's input, and values that are added to its
    output."""
    slots_per_edit: NotNegative = 0.0
    """Slots for every edit of a pool, where that is more than `slots` (0.64 in the published runs)."""
    init: Literal["zero", "default"] = "zero"
    """How values start: at zero, which leaves the model as it is, or drawn as in any linear layer, as published."""
    sequential: Literal["pooled", "continue"] = "pooled"
    """What a later call does: calibrate fresh slots for all edits so far together (`pooled`), or train the same slots
    on its own edits alone (`continue`)."""
    lr: Annotated[Positive, Own(1.0, "fresh_step", 0.01), Range(0.1, 10.0)] = OPEN
    """Step size of Adam."""
    epochs: Annotated[AtLeastOne, Range(20, 200)] = 100
    """Most passes over the pool."""
    batch: AtLeastOne = 100
    """Edits of a mini-batch."""
    stop_loss: NotNegative = 1e-2
    """In nats: a mini-batch whose loss is below it makes no step, an epoch whose mean is below it is the last."""
    context_prefixes: Prefixes = 10
    """Random texts that each prompt is learned behind, beside the prompt alone, in the place of other wordings."""

    def __post_init__(self) -> None:
        fixed = self.sequential == "pooled" or not self.slots_per_edit
        require(fixed, "slots_per_edit needs sequential 'pooled': slots that are trained on cannot become more")
