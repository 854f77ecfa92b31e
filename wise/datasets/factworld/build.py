"""Write FactWorld to disk: corpus, facts, and the streams of edits of the settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wise.datasets.factworld.first.version import FirstVersion
from wise.datasets.factworld.longform import count_tokens, hallucination_records, ood_records
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.second.version import SecondVersion
from wise.datasets.factworld.split import DEVELOPMENT, EDIT, TRAIN
from wise.datasets.factworld.version import Version
from wise.files import sha256, write_json, write_json_lines
from wise.records import EditRecord, write_records

VERSIONS: dict[int, type[Version]] = {1: FirstVersion, 2: SecondVersion}

FILES = {"edits": EDIT, "development": DEVELOPMENT, "train": TRAIN}
"""The files of a stream of edits, and the role of those who are edited in each."""


def make(name: str, options: FactWorldOptions, out: str | Path) -> list[Path]:
    """Write all folders of FactWorld below `out` and return them.

    The one called `name` holds corpus.jsonl and facts.jsonl; `factworld-qa`, `factworld-tasks`,
    `factworld-hallucination` and `factworld-ood` hold edits.jsonl, development.jsonl and train.jsonl. Each has a
    dataset.json with counts and digests.
    """
    out = Path(out)
    version = VERSIONS[options.version](options)
    world, split, contradict = version.world, version.split, version.contradict
    settings = {
        "factworld-qa": version.edit_records,
        "factworld-tasks": version.task_records,
        "factworld-hallucination": lambda role: hallucination_records(world, split, options, role, contradict),
        "factworld-ood": lambda role: ood_records(world, split, options, role, contradict),
    }
    folders = [_write_texts(out / name, version)]
    for name, records in settings.items():
        files = {file: records(role) if role in split.roles else [] for file, role in FILES.items()}
        folders.append(_write_edits(out / name, files, version))
    return folders


def _write_texts(folder: Path, version: Version) -> Path:
    documents = list(version.documents())
    write_json_lines(folder / "corpus.jsonl", (document.row() for document in documents))
    write_json_lines(folder / "facts.jsonl", map(version.fact_row, version.plan.values()))
    world = version.world
    counts = {
        "subjects": len(world.entities),
        "facts": len(world.facts),
        "relations": len(world.relations),
        "documents": dict(Counter(document.kind for document in documents)),
        "words": sum(count_tokens(document.text) for document in documents),
        "vocabulary": len({word for document in documents for word in document.text.replace(".", "").split()}),
    }
    return _describe(folder, version.options, counts, {})


def _write_edits(folder: Path, files: Mapping[str, Sequence[EditRecord]], version: Version) -> Path:
    for file, records in files.items():
        write_records(folder / f"{file}.jsonl", records)
    edits = files["edits"]
    counts = {file: len(records) for file, records in files.items()} | {
        "relations": dict(sorted(Counter(record.relation for record in edits).items())),
        "probes": dict(sorted(Counter(probe.kind for record in edits for probe in record.probes).items())),
    }
    return _describe(folder, version.options, counts, {"exempt": dict(version.exempt)} if version.exempt else {})


def _describe(folder: Path, options: FactWorldOptions, counts: dict[str, Any], further: dict[str, Any]) -> Path:
    files = {path.name: sha256(path) for path in sorted(folder.glob("*.jsonl"))}
    described = {"schema": 1, "dataset": folder.name, "options": asdict(options), "counts": counts, "sha256": files}
    write_json(folder / "dataset.json", described | further)
    return folder
