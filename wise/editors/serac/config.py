"""SERAC's options."""

from __future__ import annotations

from dataclasses import dataclass

from wise.editors.shared.pooling import POOLINGS
from wise.errors import unknown
from wise.options import require


@dataclass(frozen=True)
class SeracConfig:
    """Published values for 7B models: DistilBERT and a 160M model, both pretrained, fine-tuned at 1e-5 in batches of
    10 for up to 100000 steps, threshold 0.5. Here both are small and trained from nothing.

    Scope classifier: `pooling` of the model's states (`wise.editors.shared.pooling`), `scope_width` of its hidden layer
    and of its embedding, `scope_steps` and `scope_lr` of Adam over all training pairs at once, `threshold` of the
    similarity. Counterfactual model: a Llama of `layers`, `hidden` wide, with `heads`, trained for `steps` of
    AdamW at `lr` in batches of `batch`; the share `invented` of its examples has targets of random tokens.
    """

    threshold: float = 0.5
    pooling: str = "last"
    scope_width: int = 128
    scope_steps: int = 60
    scope_lr: float = 1e-3
    hidden: int = 64
    layers: int = 2
    heads: int = 4
    steps: int = 1200
    batch: int = 32
    lr: float = 4e-3
    invented: float = 0.75

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise unknown("pooling", self.pooling, POOLINGS)
        counts = self.scope_width, self.scope_steps, self.hidden, self.layers, self.heads, self.steps, self.batch
        require(min(counts) >= 1 and min(self.lr, self.scope_lr) > 0, "sizes, steps and rates must be positive")
        require(self.hidden % (2 * self.heads) == 0, f"hidden ({self.hidden}) must be a multiple of 2 x heads")
        require(0 < self.threshold < 1 and 0 <= self.invented <= 1, "threshold must lie in (0, 1), invented in [0, 1]")
