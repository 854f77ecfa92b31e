"""Options of KE."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Le
from pydantic.dataclasses import dataclass

from wise.editors.hypernetworks.options import HypernetworkConfig
from wise.editors.own_units import OPEN, Own
from wise.editors.space import Among, Range
from wise.options import LARGE, STRICT, AtLeastOne, NotNegative, Positive, Prefixes


@dataclass(frozen=True, config=STRICT)
class KEConfig(HypernetworkConfig):
    """By default as MEND's authors ran KE beside MEND (Adam at 1e-5, hidden size 512, up to a million iterations); with
    `objective: constrained, hidden: 128, cond_dim: 1024` as its own authors did (RMSprop at 3e-4, 200,000 steps).

    They edit every matrix, or those of three layers. Here it is the down-projection of one layer, as for the other
    editors, and training is short: rates are higher and fall linearly to zero.
    """

    objective: Literal["penalty", "constrained"] = "penalty"
    """What is minimised: the loss of the edit plus the divergence elsewhere (`penalty`), or the loss of the edit under
    the constraint that the divergence is at most `margin` (`constrained`)."""
    condition: Literal["edit_text", "pred_alt_prompt"] = "edit_text"
    """What the network reads: prompt and target, or "the unedited answer >> target || prompt"."""
    hidden: Annotated[AtLeastOne, Le(LARGE), Among((128, 512))] = 512
    """Size of the LSTM, in either direction, and of the layers behind the condition."""
    cond_dim: Annotated[AtLeastOne, Le(LARGE)] = 768
    """Size of the vector that the condition becomes."""
    train_embeddings: bool = True
    """Whether the embeddings that the LSTM reads, at first the model's own, are trained too."""
    max_scale: Annotated[Positive, Own(1.0, "one", 1.0), Range(0.1, 10.0)] = OPEN
    """Largest factor of an update."""
    gradient_scale: Annotated[Positive, Own(1.0, "row_slope", 1.0), Range(0.1, 10.0)] = OPEN
    """Factor of the gradient before the network's. A softmax shares the network's factor out among the rows of the
    matrix, so that the gradient itself would hardly count in a short training."""
    paraphrase_loss: bool = True
    """Whether training asks for the target behind paraphrases too."""
    iterations: Annotated[AtLeastOne, Range(100, 800)] = 250
    """Training edits, one an iteration."""
    accumulate: AtLeastOne = 2
    """Training edits behind one step of the optimiser (published with the penalty: 10)."""
    context_prefixes: Prefixes = 0
    """Random texts that the prompt is learned behind, beside the prompt alone; published runs have none."""
    lr: Annotated[Positive, Own(0.001, "one", 1e-5), Range(1e-4, 1e-2)] = OPEN
    """Step size of Adam, or of RMSprop with the constraint."""
    c_edit: Annotated[NotNegative, Own(1.0, "one", 0.1), Range(0.1, 3.0)] = OPEN
    """Weight of the loss on the edit (`penalty`)."""
    lr_multiplier: Positive = 0.1
    """Step size of the multiplier of the constraint, which starts at 1."""
    margin: Positive = 1e-3
    """Divergence that is allowed at first, in nats a token; it shrinks while more than 9 of 10 edits take."""
    margin_floor: Positive = 1e-5
    """Smallest margin."""
