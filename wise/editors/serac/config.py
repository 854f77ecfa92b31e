"""SERAC's options."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Gt, Le, Lt
from pydantic.dataclasses import dataclass

from wise.editors.shared.pooling import AnyPooling
from wise.editors.space import Among, Range
from wise.options import LARGE, STRICT, AtLeastOne, Positive, Share, require

Counterfactual = Literal["fitting", "small", "base"]


@dataclass(frozen=True, config=STRICT)
class SeracConfig:
    """Published values for 7B models: DistilBERT and a 160M model, both pretrained, fine-tuned at 1e-5 in batches of
    10 for up to 100000 steps, threshold 0.5. Here what is trained is small and trained from nothing.
    """

    # The scope classifier decides which edit a prompt belongs to.
    threshold: Annotated[float, Gt(0), Lt(1), Range(0.2, 0.8, log=False)] = 0.5
    """Similarity from which a prompt is in an edit's scope."""
    pooling: Annotated[AnyPooling, Among(("last", "mean"))] = "measured"
    """The classifier reads the model's state at the prompt's last token, or the mean over its tokens; `measured` for
    the one that recognises more paraphrases before any training."""
    scope_width: Annotated[AtLeastOne, Le(LARGE)] = 128
    """Width of the classifier's hidden layer and of its embedding."""
    scope_steps: Annotated[AtLeastOne, Range(30, 300)] = 60
    """Steps of Adam over all training pairs at once."""
    scope_lr: Annotated[Positive, Range(3e-4, 1e-2)] = 1e-3
    """Step size of Adam for the classifier."""

    # The counterfactual model answers prompts that are in scope.
    counterfactual: Counterfactual = "fitting"
    """Which model that is: `small`, a small Llama that is trained from nothing to repeat what an edit says; `base`, the
    unedited model, which reads the edit in front of the prompt; `fitting` is `small` up to 16384 different tokens. Of
    more it does not learn to repeat every one in so few steps."""
    hidden: Annotated[AtLeastOne, Le(LARGE)] = 64
    """Width of the counterfactual model, a multiple of 2 x heads."""
    layers: Annotated[AtLeastOne, Le(1024)] = 2
    """Layers of the counterfactual model."""
    heads: Annotated[AtLeastOne, Le(1024)] = 4
    """Attention heads of the counterfactual model."""
    steps: Annotated[AtLeastOne, Range(600, 2400)] = 1200
    """Steps of AdamW for the counterfactual model."""
    batch: AtLeastOne = 32
    """Examples a step."""
    lr: Annotated[Positive, Range(1e-3, 1e-2)] = 4e-3
    """Step size of AdamW."""
    invented: Annotated[Share, Among((0.25, 0.5, 0.75))] = 0.75
    """Share of the examples whose target is made of random tokens."""

    def __post_init__(self) -> None:
        require(self.hidden % (2 * self.heads) == 0, f"hidden ({self.hidden}) must be a multiple of 2 x heads")
