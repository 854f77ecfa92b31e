"""Where your own edits are, and how many of them prepare editors."""

from __future__ import annotations

from dataclasses import dataclass

from wise.options import require


@dataclass(frozen=True)
class OwnOptions:
    """Files of edits, see docs/own-data.md; relative paths start at the folder in which the workflow is run."""

    edits: str
    """File of edits: JSON Lines, a JSON list or CSV."""
    train: str = ""
    """File of further edits that prepare editors and are never scored; empty: some of the edits are set aside."""
    train_share: float = 0.2
    """Share of the edits that is set aside where there is no such file, at least one; 0 for none."""
    seed: int = 0
    """Seed that decides which."""

    def __post_init__(self) -> None:
        require(bool(self.edits.strip()), "edits must name a file of edits")
        require(0.0 <= self.train_share < 1.0, f"train_share must lie in [0, 1), found {self.train_share}")
