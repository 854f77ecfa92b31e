"""Which of one's own edits are edited, which prepare editors, and on which options are chosen."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from wise.datasets.files import DEVELOPMENT, STREAM, TRAIN
from wise.datasets.leaks import plain
from wise.datasets.own.apart import keep_apart
from wise.datasets.own.options import OwnOptions
from wise.edit_files import examine, read_edits
from wise.errors import DataError
from wise.records import IN_SCOPE, EditRecord


class OwnData(NamedTuple):
    """The stream of `edits`, the records on which options are chosen and those that `train` editors (perhaps none), and
    `notes` on all for people."""

    edits: list[EditRecord]
    development: list[EditRecord]
    train: list[EditRecord]
    notes: list[str]


def read_own(options: OwnOptions) -> OwnData:
    """Read and divide one's own edits. Raises `DataError` that names every problem of all files together."""
    return _read(options, tuple(map(_changed, options.paths())))


@lru_cache(maxsize=8)
def _read(options: OwnOptions, changed: tuple[float, ...]) -> OwnData:
    """`changed`, the times at which files were changed, tell one reading from another."""
    found = [examine(path) for path in options.paths()]
    refused = [str(file.refusal()) for file in found if file.problems]
    if refused:
        raise DataError("\n".join(refused))
    edits = list(found[0].records)
    shares = {
        TRAIN: 0.0 if options.train else options.train_share,
        DEVELOPMENT: 0.0 if options.development else options.development_share,
    }
    edits, aside = divide(edits, shares, options.seed)
    ids = {record.id for record in found[0].records}
    for file, path in ((TRAIN, options.train), (DEVELOPMENT, options.development)):
        if path:
            aside[file] = read_edits(path, taken=ids)
            ids |= {record.id for record in aside[file]}
    files, notes = keep_apart({STREAM: edits} | aside)
    for file, wanted in ((TRAIN, options.train or options.train_share), (DEVELOPMENT, bool(shares[DEVELOPMENT]))):
        if wanted and not files[file]:
            notes.append(f"{file}.jsonl is empty: no edits are left whose subject and prompt no other edit has")
    return OwnData(files[STREAM], files[DEVELOPMENT], files[TRAIN], notes)


def divide(
    records: Sequence[EditRecord], shares: Mapping[str, float], seed: int
) -> tuple[list[EditRecord], dict[str, list[EditRecord]]]:
    """Records to edit, and those set aside for each file of `shares`, all in the order of the file; no subject or
    question about the edit itself is in two of them.

    About its share of the records goes to each file, at least one unless the share is 0. At least one group of records
    that belong together is edited, as a single record is; the first files are served first.
    """
    groups = related(records)
    random.Random(f"{seed}/own").shuffle(groups)
    aside: dict[str, list[int]] = {}
    for file, share in shares.items():
        wanted, chosen = max(1, round(share * len(records))) if share else 0, []
        for group in [*groups]:
            if len(groups) > 1 and len(chosen) + len(group) <= wanted:
                groups.remove(group)
                chosen += group
        if wanted and not chosen and len(groups) > 1:
            chosen = min(groups, key=len)
            groups.remove(chosen)
        aside[file] = sorted(chosen)
    edited = sorted(index for group in groups for index in group)
    return [records[i] for i in edited], {file: [records[i] for i in chosen] for file, chosen in aside.items()}


def related(records: Sequence[EditRecord]) -> list[list[int]]:
    """Indices of records in groups that share a subject or a question about the edit, directly or through others."""
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


def _keys(record: EditRecord) -> list[tuple[str, str]]:
    """The subject, and every question whose answer the edit changes."""
    questions = [probe.prompt for _, probe in record.questions() if probe.kind in IN_SCOPE]
    named = [("subject", record.subject), *(("question", prompt) for prompt in questions)]
    return [(kind, plain(text) or text) for kind, text in named if text.strip()]


def _changed(path: str) -> float:
    return Path(path).stat().st_mtime if Path(path).exists() else 0.0
