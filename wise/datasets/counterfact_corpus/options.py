"""How much of CounterFact is taught and edited."""

from __future__ import annotations

from dataclasses import dataclass

from wise.datasets.published.options import INVALID
from wise.options import require


@dataclass(frozen=True)
class CounterFactCorpusOptions:
    """Counts of records and wordings; an impossible value raises ValueError."""

    seed: int = 0
    edits: int = 1000
    """Records of the edit stream."""
    train: int = 500
    """Records set aside to prepare editors; the model is taught their facts too."""
    wordings: int = 4
    """Wordings in which the corpus states a fact, the record's own prompt among them."""
    before_share: float = 0.25
    """Share of the statements behind an unrelated sentence, as a sixth of the rephrased prompts are."""
    sentences: int = 100
    """Different sentences for that, from records outside the edit stream."""
    files: str = ""
    """Folder of downloaded raw files; this, `local_dir` and `offline` are as for the other published datasets."""
    local_dir: str = ""
    offline: bool = False
    invalid: str = "skip"

    def __post_init__(self) -> None:
        require(self.invalid in INVALID, f"invalid must be one of {', '.join(INVALID)}, found {self.invalid!r}")
        for name in ("edits", "train", "wordings"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, found {getattr(self, name)}")
        require(self.sentences >= 0, f"sentences must not be negative, found {self.sentences}")
        require(0.0 <= self.before_share <= 1.0, f"before_share must lie in [0, 1], found {self.before_share}")
