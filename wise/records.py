"""What an edit is and what is asked about it: `EditRecord` and `Probe`, in and out of JSONL.

One line of a file of records is one edit::

    {"id": "qa-00017", "prompt": "...", "target": "...", "subject": "...",
     "irrelevant": "...", "relation": "...", "original": "...",
     "probes": [{"kind": "paraphrase", "prompt": "...", "target": "...", "name": ""}, ...]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wise.errors import DataError, unknown
from wise.files import write_text

PROBE_KINDS = ("paraphrase", "locality_near", "locality_far", "portability", "ood")
"""What can be asked beside the edit itself.

`paraphrase`: the edit in other words, same target (generalization). `locality_near`: the same
relation of another subject, or another relation of the same subject; `locality_far`: another kind
of subject altogether; both keep their true answer as target. `portability`: a question whose answer
follows from the edit. `ood`: free text about the edited fact, to be continued.
"""

EDIT_KIND = "edit"
"""Kind of the question that is the edit prompt itself (reliability)."""

EDIT_INDEX = -1
"""Its index, beside those of the probes, which count from 0."""


@dataclass(frozen=True)
class Probe:
    """One question: `prompt` is to be answered by `target`; `name` is the sub-kind."""

    kind: str
    prompt: str
    target: str
    name: str = ""


@dataclass(frozen=True)
class EditRecord:
    """One edit: after it, `prompt` is to be answered by `target`.

    `irrelevant` is one text outside the scope of the edit, for the routing loss. `original` is the
    answer that was true before, where it is known.
    """

    id: str
    prompt: str
    target: str
    subject: str
    irrelevant: str = ""
    probes: tuple[Probe, ...] = ()
    relation: str = ""
    original: str = ""

    def questions(self) -> Iterator[tuple[int, Probe]]:
        """The edit itself with `EDIT_INDEX`, then every probe with its index."""
        yield EDIT_INDEX, Probe(EDIT_KIND, self.prompt, self.target)
        yield from enumerate(self.probes)


def record_from_dict(row: Any, where: str = "record") -> EditRecord:
    """Build a validated record from parsed JSON; `where` (file and line) opens every error."""
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected a JSON object, found {type(row).__name__}")
    fields = _texts(
        row, where, ("id", "prompt", "target", "subject"), ("irrelevant", "relation", "original"), ("probes",)
    )
    probes = row.get("probes", [])
    if not isinstance(probes, list):
        raise DataError(f"{where}: 'probes' must be a list, found {type(probes).__name__}")
    return EditRecord(**fields, probes=tuple(_probe(p, f"{where}, probe {i}") for i, p in enumerate(probes)))


def read_records(path: str | Path) -> list[EditRecord]:
    """Read a JSONL file of records.

    Raises `DataError` naming file, line and key for malformed JSON, a missing or empty field, an
    unknown key or probe kind, and a repeated id.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file of edit records")
    records: list[EditRecord] = []
    lines: dict[str, int] = {}
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{where}: not valid JSON ({error.msg} at column {error.colno})") from error
            record = record_from_dict(row, where)
            if record.id in lines:
                raise DataError(f"{where}: id '{record.id}' was already used on line {lines[record.id]}")
            lines[record.id] = number
            records.append(record)
    if not records:
        raise DataError(f"{path}: holds no records")
    return records


def write_records(path: str | Path, records: Iterable[EditRecord]) -> None:
    """Write records as JSONL, atomically."""
    write_text(path, "".join(json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in records))


def _probe(row: Any, where: str) -> Probe:
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected a JSON object, found {type(row).__name__}")
    fields = _texts(row, where, ("kind", "prompt", "target"), ("name",))
    if fields["kind"] not in PROBE_KINDS:
        raise DataError(f"{where}: {unknown('probe kind', fields['kind'], PROBE_KINDS)}")
    return Probe(**fields)


def _texts(row: dict, where: str, required: Sequence[str], optional: Sequence[str], others: Sequence[str] = ()) -> dict:
    """The text fields of `row`; required ones must be there and hold more than white space."""
    for key in row:
        if key not in (*required, *optional, *others):
            raise DataError(f"{where}: {unknown('key', str(key), (*required, *optional, *others))}")
    texts = {}
    for key in (*required, *optional):
        value = row.get(key, "" if key in optional else None)
        if not isinstance(value, str):
            raise DataError(
                f"{where}: '{key}' must be a text, found {type(value).__name__ if key in row else 'nothing'}"
            )
        if key in required and not value.strip():
            raise DataError(f"{where}: '{key}' is empty")
        texts[key] = value
    return texts
