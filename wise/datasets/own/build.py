"""Write one's own edits as an edit stream: edits, development and training records, and `dataset.json`."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from wise.datasets.files import DEVELOPMENT, FILES, STREAM, TRAIN
from wise.datasets.own.options import OwnOptions
from wise.datasets.own.split import read_own
from wise.files import sha256, write_json
from wise.records import write_records

LOG = logging.getLogger("wise.data")


def make(name: str, options: OwnOptions, out: Path) -> list[Path]:
    """Write the dataset `name` below `out` and return its folder; files for which nothing is set aside are empty.

    Raises `DataError` that names every problem of the files.
    """
    own = read_own(options)
    for note in own.notes:
        LOG.warning("%s: %s", name, note)
    folder = Path(out) / name
    files = {STREAM: own.edits, DEVELOPMENT: own.development, TRAIN: own.train}
    for file, records in files.items():
        write_records(folder / f"{file}.jsonl", records)
    used = [Path(path) for path in options.paths()]
    probes = Counter(probe.kind for record in own.edits for probe in record.probes)
    counts = {file: len(records) for file, records in files.items()} | {"probes": dict(sorted(probes.items()))}
    described = {
        "schema": 1,
        "dataset": name,
        "options": {key: value for key, value in asdict(options).items() if key not in FILES},
        "sources": {path.name: sha256(path) for path in used},
        "counts": counts,
        "sha256": {file.name: sha256(file) for file in sorted(folder.glob("*.jsonl"))},
    }
    empty = {} if own.development else {"exempt": {DEVELOPMENT: "no edits of one's own are set aside for it"}}
    write_json(folder / "dataset.json", described | empty)
    return [folder]
