"""Published datasets as edit streams: raw files in, `edits.jsonl`, `train.jsonl` and `dataset.json` out."""

from __future__ import annotations

import logging
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wise.datasets.published.catalog import CONVERTERS, SETTINGS, RealOptions, sources
from wise.datasets.published.download import fetch
from wise.datasets.published.raw_files import Source
from wise.datasets.published.raw_rows import Entry, Problem, convert_rows, read_rows
from wise.datasets.published.survey import quirks, words
from wise.errors import DataError
from wise.files import atomic_path, sha256, write_json
from wise.records import EditRecord, Probe, write_records

log = logging.getLogger("wise.data")

SHOWN = 10
"""Problems that an error lists."""
DRAWS = 50
"""Questions of other records that are looked at before a record stays without far locality."""


def fetch_files(name: str, options: RealOptions, out: str | Path) -> list[Path]:
    """The raw files of a dataset, downloaded where need be: its edits, then its training records if it has a file.

    Downloads go to `options.files`, or to `raw` below `out`. Raises as `wise.datasets.published.download.fetch` does.
    """
    folder = options.files or Path(out) / "raw"
    return [fetch(source, folder, options.local_dir or None, options.offline) for source in sources(name, options)]


def gather_files(name: str, options: RealOptions, out: str | Path) -> list[Path]:
    """As `fetch_files`, but all in the folder of downloads: what is in `local_dir` is copied there."""
    paths = []
    for source, path in zip(sources(name, options), fetch_files(name, options, out), strict=True):
        target = Path(options.files or Path(out) / "raw") / source.folder / source.name
        if path != target:
            with atomic_path(target) as temporary:
                shutil.copyfile(path, temporary)
        paths.append(target)
    return paths


def make(name: str, options: RealOptions, out: str | Path) -> list[Path]:
    """Write the dataset `name` below `out` and return its folder.

    Raises `DataError` for a file that is missing, of another digest or no JSON, that holds too few sound records, and,
    where `options.invalid` is "stop", that holds a record with a bad field.
    """
    raw, paths = sources(name, options), fetch_files(name, options, out)
    edits, bad_edits = read_file(raw[0], paths[0], name, options)
    if len(raw) > 1:
        limit = options.train_limit or SETTINGS[name].train_limit
        train, bad_train = read_file(raw[1], paths[1], f"{name}-train", options, limit)
    else:
        if len(edits) <= options.held_out:
            raise DataError(f"{paths[0]}: {len(edits)} records are too few to hold out {options.held_out}")
        edits, train = edits[: -options.held_out], edits[-options.held_out :]
        train, bad_train = train[: options.train_limit or None], []
    subjects = {entry.record.subject for entry in edits}
    edits = edits[: options.limit or None]
    counts = {"invalid": {"edits": _records(bad_edits), "train": _records(bad_train)}, "quirks": quirks(edits)}
    folder = Path(out) / name
    pool = [entry for entry in train if entry.bystander and entry.record.subject not in subjects]
    for file, entries, shift in (("edits", edits, 0), ("train", train, 1)):
        records = with_far([entry.record for entry in entries], pool, options.seed)
        records = with_irrelevant(records, [entry.unrelated for entry in train if entry.unrelated], shift)
        write_records(folder / f"{file}.jsonl", records)
        kinds = Counter(probe.kind for record in records for probe in record.probes)
        counts |= {file: len(records)} | ({"probes": dict(sorted(kinds.items()))} if file == "edits" else {})
    _describe(folder, options, counts, words(edits), paths)
    return [folder]


def read_file(
    source: Source, path: Path, prefix: str, options: RealOptions, limit: int = 0
) -> tuple[list[Entry], list[Problem]]:
    """Sound entries of a raw file and the problems of the others, logged, or raised if they are to stop."""
    entries, problems = convert_rows(read_rows(path), CONVERTERS[source.folder], prefix, limit)
    if problems:
        listed = "; ".join(map(str, problems[:SHOWN])) + ("; ..." if len(problems) > SHOWN else "")
        found = f"{path}: {_records(problems)} records cannot be used ({listed})"
        if options.invalid == "stop":
            raise DataError(f"{found}. With 'invalid' set to 'skip' they are left out")
        log.warning("%s; they are left out", found)
    if not entries:
        raise DataError(f"{path}: holds no record that can be used")
    return entries, problems


def _records(problems: Sequence[Problem]) -> int:
    return len({problem.index for problem in problems})


def with_far(records: Sequence[EditRecord], pool: Sequence[Entry], seed: int) -> list[EditRecord]:
    """A question from the pool for each record that has no far locality.

    The pool are training records of subjects that no edit changes; what is drawn for a record depends on the seed and
    its id alone. Subject, target and former answer of the edit do not occur in the question.
    """
    return [
        record
        if any(probe.kind == "locality_far" for probe in record.probes)
        else replace(record, probes=(*record.probes, *_far(record, pool, seed)))
        for record in records
    ]


def _far(record: EditRecord, pool: Sequence[Entry], seed: int) -> list[Probe]:
    draw = random.Random(f"{seed}/far/{record.id}")
    for entry in draw.sample(pool, min(DRAWS, len(pool))):
        probe = entry.bystander
        own = {record.target, record.original}
        if entry.record.subject != record.subject and probe.target not in own and record.subject not in probe.prompt:
            return [probe]
    return []


def with_irrelevant(records: Sequence[EditRecord], texts: Sequence[str], shift: int) -> list[EditRecord]:
    """The i-th text for the i-th edit, as the released WISE pairs them; over again where there are fewer texts."""
    if not texts:
        return list(records)
    return [replace(record, irrelevant=texts[(i + shift) % len(texts)]) for i, record in enumerate(records)]


def _describe(
    folder: Path, options: RealOptions, counts: dict[str, Any], lengths: dict[str, list[float]], raw: Sequence[Path]
) -> None:
    """dataset.json, in which paths of this machine have no place."""
    used = ("invalid", "edit_file", "train_file", "limit", "train_limit", "held_out", "seed")
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
