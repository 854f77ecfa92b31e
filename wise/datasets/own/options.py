"""Where your own edits are, and how many of them prepare editors and serve to choose options."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Lt
from pydantic.dataclasses import dataclass

from wise.options import STRICT, require


@dataclass(frozen=True, config=STRICT)
class OwnOptions:
    """Files of edits, see docs/own-data.md; relative paths start at the folder in which the workflow is run."""

    edits: str
    """File of edits: JSON Lines, a JSON list or CSV."""
    train: str = ""
    """File of further edits that prepare editors and are never scored; empty: some of the edits are set aside."""
    train_share: Annotated[float, Ge(0), Lt(1)] = 0.2
    """Share of the edits that is set aside where there is no such file, at least one; 0 for none."""
    development: str = ""
    """File of further edits on which options are chosen; empty: some of the edits are set aside."""
    development_share: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of the edits that is set aside for that where there is no such file, at least one; 0 for none."""
    seed: int = 0
    """Seed that decides which."""

    def __post_init__(self) -> None:
        require(bool(self.edits.strip()), "edits must name a file of edits")
        require(self.train_share + self.development_share < 1, "train_share and development_share leave no edits")

    def paths(self) -> list[str]:
        """The files that there are."""
        return [path for path in (self.edits, self.train, self.development) if path]
