"""The options that all published datasets share."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from wise.options import STRICT, AtLeastOne, Count

Invalid = Literal["skip", "stop"]
"""What becomes of a record that cannot be used: it is left out, or it is an error."""


@dataclass(frozen=True, config=STRICT)
class RealOptions:
    """Where the raw files of a published dataset are, and how much of them is used."""

    files: str = ""
    """Folder of downloaded raw files; empty for `raw` beside the datasets made."""
    local_dir: str = ""
    """Folder with copies of raw files, looked at before anything is downloaded; empty for none."""
    offline: bool = False
    """Never download; a missing file is an error that says where to put it."""
    invalid: Invalid = "skip"
    """What a faulty record does: `stop` names it, `skip` counts it and leaves it out."""
    edit_file: str = ""
    """Another file of edits in place of the usual one."""
    train_file: str = ""
    """Another file of training records in place of the usual one."""
    limit: Count = 0
    """Edits to take; 0 for all."""
    train_limit: Count = 0
    """Training records to take; 0 for the dataset's own number."""
    development: AtLeastOne = 500
    """Development records to take, on which options are chosen; at most a third of the records beside the stream."""
    held_out: Count | None = None
    """About so many records of the file of edits are kept out of the stream for development, training and far locality:
    the last ones, with all records of their subjects; without it the dataset's own number."""
    seed: int = 0
    """Seed that decides which question about another subject an edit gets, where its file has none."""
