"""Which of one's own edits are edited, and which prepare editors."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from wise.datasets.own.options import OwnOptions
from wise.edit_files import examine, read_edits
from wise.errors import DataError
from wise.records import EditRecord


class OwnData(NamedTuple):
    """The stream of `edits`, the records that `train` editors (perhaps none), and `notes` on both for people."""

    edits: list[EditRecord]
    train: list[EditRecord]
    notes: list[str]


def read_own(options: OwnOptions) -> OwnData:
    """Read and divide one's own edits. Raises `DataError` that names every problem of all files together."""
    paths = [path for path in (options.edits, options.train) if path]
    return _read(options, tuple((path, _changed(path)) for path in paths))


@lru_cache(maxsize=8)
def _read(options: OwnOptions, files: tuple[tuple[str, float], ...]) -> OwnData:
    """`files`, with the times at which they were changed, tell one reading from another."""
    found = [examine(path) for path, _ in files]
    refused = [str(file.refusal()) for file in found if file.problems]
    if refused:
        raise DataError("\n".join(refused))
    edits = list(found[0].records)
    if not options.train:
        edits, train = divide(edits, options.train_share, options.seed)
        if options.train_share and not train:
            note = "all edits have one subject or prompt, so none is set aside to prepare editors"
            return OwnData(edits, train, [note])
        return OwnData(edits, train, [])
    train = read_edits(options.train, taken={record.id for record in edits})
    shared = {key for record in edits for key in _keys(record)} & {key for record in train for key in _keys(record)}
    note = (
        f"{len(shared)} subjects or prompts of {options.train} are edited, too: editors are prepared on what is scored"
    )
    return OwnData(edits, train, [note] if shared else [])


def divide(records: Sequence[EditRecord], share: float, seed: int) -> tuple[list[EditRecord], list[EditRecord]]:
    """Records to edit and records set aside, both in the order of the file; no subject or prompt is in both.

    About `share` of the records is set aside, at least one unless the share is 0. Where all records belong together,
    as a single one does, all are edited and none is set aside.
    """
    groups = related(records)
    wanted = max(1, round(share * len(records))) if share else 0
    aside: set[int] = set()
    if len(groups) > 1:
        random.Random(f"{seed}/own").shuffle(groups)
        for group in groups:
            if len(aside) + len(group) <= wanted:
                aside.update(group)
        if wanted and not aside:
            aside.update(min(groups, key=len))
    edited = [record for index, record in enumerate(records) if index not in aside]
    return edited, [records[index] for index in sorted(aside)]


def related(records: Sequence[EditRecord]) -> list[list[int]]:
    """Indices of records in groups that share a subject or a prompt with one another, directly or through others."""
    group_of: dict[tuple[str, str], list[int]] = {}
    groups: dict[int, list[int]] = {}
    for index, record in enumerate(records):
        joined = [index]
        for old in {id(group_of[key]): group_of[key] for key in _keys(record) if key in group_of}.values():
            joined += old
            groups.pop(id(old))
        groups[id(joined)] = joined
        for key in (key for member in joined for key in _keys(records[member])):
            group_of[key] = joined
    return sorted(sorted(group) for group in groups.values())


def _keys(record: EditRecord) -> Iterable[tuple[str, str]]:
    named = (("subject", record.subject), ("prompt", record.prompt))
    return [(kind, " ".join(text.split()).casefold()) for kind, text in named if text.strip()]


def _changed(path: str) -> float:
    return Path(path).stat().st_mtime if Path(path).exists() else 0.0
