"""What a model is trained as and how, and what a training did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import pydantic
from annotated_types import Ge, Gt, Le, Lt

from wise.options import LARGE, STRICT, AtLeastOne, Count, NotNegative, Positive, PositiveShare, require

Width = Annotated[AtLeastOne, Le(LARGE)]
Number = Annotated[AtLeastOne, Le(1024)]


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class PretrainOptions:
    """Architecture (a Llama) and recipe of a model that is trained from nothing."""

    hidden: Width = 256
    """Width of the residual stream, a multiple of 2 x heads."""
    intermediate: Width = 1024
    """Width of the hidden layer of a feed-forward block."""
    layers: Number = 6
    """Number of layers."""
    heads: Number = 4
    """Attention heads of a layer."""
    context: Width = 256
    """Longest sequence in tokens that the model is made for."""
    init: Literal["even", "plain"] = "even"
    """First weights. `plain`: deviation .02 everywhere. `even`: larger embeddings, queries and keys of unit size."""
    epochs: AtLeastOne = 9
    """Passes over the corpus, those of the curriculum included."""
    curriculum_epochs: Count = 5
    """First passes, over the documents of `curriculum_share` of the subjects only."""
    curriculum_share: PositiveShare = 0.2
    """Share of the subjects that the curriculum begins with."""
    lr: Positive = 1.5e-3
    """Highest learning rate of AdamW."""
    warmup: Annotated[float, Ge(0), Lt(1)] = 0.02
    """Share of the steps in which the learning rate rises; it then falls by a cosine."""
    weight_decay: NotNegative = 0.05
    """Weight decay of AdamW."""
    batch: Width = 16
    """Rows a step."""
    part: AtLeastOne = 8
    """Rows that one worker computes at a time; a step adds up the gradients of its parts."""
    length: Width = 72
    """Tokens a row; at least those of the longest document."""
    other_weight: NotNegative = 0.3
    """Weight in the loss of tokens that are not part of an answer, which have weight 1."""
    read_weight: NotNegative = 2.5
    """Weight of answers that follow from a statement in the same text, and that may contradict what the model knows."""
    tokenizer: Literal["word", "bpe"] = "word"
    """`word`: every word is a token. `bpe`: parts of words, bytes where nothing else fits."""
    vocabulary: Annotated[int, Gt(260), Le(2**24)] = 8192
    """Tokens of a `bpe` tokenizer, bytes and special tokens included; `word` has as many as the corpus has words."""

    def __post_init__(self) -> None:
        even = self.hidden % (2 * self.heads) == 0  # rotary embeddings turn pairs of a head's dimensions
        require(even, f"hidden ({self.hidden}) must be a multiple of 2 x heads ({self.heads})")
        require(self.length <= self.context, f"length ({self.length}) exceeds context ({self.context})")
        require(self.curriculum_epochs < self.epochs, "curriculum_epochs must be fewer than epochs")


@dataclass
class TrainingReport:
    """What a training did: one entry of `curve` for each epoch (loss in nats per weighted token)."""

    seconds: float = 0.0
    tokens: int = 0
    steps: int = 0
    parameters: int = 0
    vocabulary: int = 0
    precision: str = ""
    threads: int = 0
    device: str = ""
    curve: list[dict[str, float]] = field(default_factory=list)
