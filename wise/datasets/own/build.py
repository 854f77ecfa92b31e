"""Write one's own edits as an edit stream: `edits.jsonl`, `train.jsonl` and `dataset.json`."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from wise.datasets.own.options import OwnOptions
from wise.datasets.own.split import read_own
from wise.files import sha256, write_json
from wise.records import write_records

LOG = logging.getLogger("wise.data")


def make(name: str, options: OwnOptions, out: Path) -> list[Path]:
    """Write the dataset `name` below `out` and return its folder; `train.jsonl` is empty where nothing is set aside.

    Raises `DataError` that names every problem of the files.
    """
    own = read_own(options)
    for note in own.notes:
        LOG.warning("%s: %s", name, note)
    folder = Path(out) / name
    write_records(folder / "edits.jsonl", own.edits)
    write_records(folder / "train.jsonl", own.train)
    used = [Path(path) for path in (options.edits, options.train) if path]
    probes = Counter(probe.kind for record in own.edits for probe in record.probes)
    write_json(
        folder / "dataset.json",
        {
            "schema": 1,
            "dataset": name,
            "options": {key: value for key, value in asdict(options).items() if key not in ("edits", "train")},
            "sources": {path.name: sha256(path) for path in used},
            "counts": {"edits": len(own.edits), "train": len(own.train), "probes": dict(sorted(probes.items()))},
            "sha256": {file.name: sha256(file) for file in sorted(folder.glob("*.jsonl"))},
        },
    )
    return [folder]
