"""Steps from the rows of a raw file to edits that can be asked about, and the description of what was made."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wise.datasets.published.options import RealOptions
from wise.datasets.published.raw_rows import Convert, Entry, Problem, convert_rows, read_rows
from wise.errors import DataError
from wise.files import sha256, write_json

LOG = logging.getLogger("wise.data")

SHOWN = 10
"""Problems that an error lists."""


def read_file(
    path: Path, convert: Convert, prefix: str, options: RealOptions, limit: int = 0
) -> tuple[list[Entry], list[Problem]]:
    """Sound entries of a raw file and the problems of the others, logged, or raised if they are to stop."""
    entries, problems = convert_rows(read_rows(path), convert, prefix, limit)
    if problems:
        listed = "; ".join(map(str, problems[:SHOWN])) + ("; ..." if len(problems) > SHOWN else "")
        found = f"{path}: {count_records(problems)} records cannot be used ({listed})"
        if options.invalid == "stop":
            raise DataError(f"{found}. With 'invalid' set to 'skip' they are left out")
        LOG.warning("%s; they are left out", found)
    if not entries:
        raise DataError(f"{path}: holds no record that can be used")
    return entries, problems


def count_records(problems: Sequence[Problem]) -> int:
    """How many records the problems are about."""
    return len({problem.index for problem in problems})


def describe(
    folder: Path, options: RealOptions, counts: dict[str, Any], lengths: dict[str, list[float]], raw: Sequence[Path]
) -> None:
    """dataset.json, in which paths of this machine have no place."""
    used = ("invalid", "edit_file", "train_file", "limit", "train_limit", "development", "held_out", "seed")
    files = {path.name: sha256(path) for path in sorted(folder.glob("*.jsonl"))}
    write_json(
        folder / "dataset.json",
        {
            "schema": 1,
            "dataset": folder.name,
            "options": {key: getattr(options, key) for key in used},
            "sources": {path.name: sha256(path) for path in raw},
            "counts": counts,
            "words": lengths,
            "sha256": files,
        },
    )
