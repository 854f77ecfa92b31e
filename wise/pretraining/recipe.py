"""What a model is trained as and how, and what a training did."""

from __future__ import annotations

from dataclasses import dataclass, field

from wise.errors import unknown
from wise.options import require
from wise.pretraining.tokenizer import TOKENIZERS


@dataclass(frozen=True)
class PretrainOptions:
    """Architecture and recipe; a value that cannot work raises ValueError."""

    hidden: int = 256
    intermediate: int = 1024
    layers: int = 6
    heads: int = 4
    context: int = 256
    """Longest sequence in tokens that the model is made for."""
    epochs: int = 11
    """Passes over the corpus, those of the curriculum included."""
    curriculum_epochs: int = 6
    """First passes, over the documents of `curriculum_share` of the subjects only."""
    curriculum_share: float = 0.2
    lr: float = 2e-3
    warmup: float = 0.02
    """Share of the steps in which the learning rate rises; it then falls by a cosine."""
    weight_decay: float = 0.05
    batch: int = 32
    """Rows a step."""
    part: int = 16
    """Rows that one worker computes at a time; a step adds up the gradients of its parts."""
    length: int = 72
    """Tokens a row; at least those of the longest document."""
    other_weight: float = 0.3
    """Weight in the loss of tokens that are not part of an answer, which have weight 1."""
    tokenizer: str = "word"
    """`word`: every word is a token. `bpe`: parts of words, bytes where nothing else fits."""
    vocabulary: int = 8192
    """Tokens of a `bpe` tokenizer; `word` has as many as the corpus has words."""

    def __post_init__(self) -> None:
        if self.tokenizer not in TOKENIZERS:
            raise unknown("tokenizer", self.tokenizer, TOKENIZERS)
        require(self.vocabulary > 260, f"vocabulary must hold all bytes and special tokens, found {self.vocabulary}")
        for name in ("hidden", "intermediate", "layers", "heads", "context", "epochs", "batch", "part", "length"):
            require(getattr(self, name) >= 1, f"{name} must be positive, found {getattr(self, name)}")
        even = self.hidden % (2 * self.heads) == 0  # rotary embeddings turn pairs of a head's dimensions
        require(even, f"hidden ({self.hidden}) must be a multiple of 2 x heads ({self.heads})")
        require(self.length <= self.context, f"length ({self.length}) exceeds context ({self.context})")
        require(0 <= self.curriculum_epochs < self.epochs, "curriculum_epochs must be fewer than epochs")
        require(0.0 < self.curriculum_share <= 1.0, "curriculum_share must lie in (0, 1]")
        require(self.lr > 0.0 and 0.0 <= self.warmup < 1.0, "lr must be positive and warmup lie in [0, 1)")


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
