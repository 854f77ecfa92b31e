"""The options that all published datasets share."""

from __future__ import annotations

from dataclasses import dataclass

from wise.options import require

INVALID = ("skip", "stop")
"""What becomes of a record that cannot be used: it is left out, or it is an error."""


@dataclass(frozen=True)
class RealOptions:
    """Where the raw files are and how much of them is used; an impossible value raises ValueError.

    `files` is the folder of downloads (empty: `raw` beside the made datasets), `local_dir` one that goes before it.
    `edit_file` and `train_file` are other files in place of the usual ones. A `limit` of 0 takes all edits, a
    `train_limit` of 0 the dataset's own number of training records. `held_out` counts for a dataset without a file
    of training records. `seed` draws far locality where the file has none.
    """

    files: str = ""
    local_dir: str = ""
    offline: bool = False
    invalid: str = "skip"
    edit_file: str = ""
    train_file: str = ""
    limit: int = 0
    train_limit: int = 0
    held_out: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.invalid in INVALID, f"invalid must be one of {', '.join(INVALID)}, found {self.invalid!r}")
        for name in ("limit", "train_limit"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, found {getattr(self, name)}")
        require(self.held_out >= 1, f"held_out must be at least 1, found {self.held_out}")
