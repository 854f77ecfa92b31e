"""What an edit is and what is asked about it: `EditRecord` and `Probe`, in and out of JSONL.

One line of a file of records is one edit::

    {"id": "qa-00017", "prompt": "...", "target": "...", "subject": "...",
     "irrelevant": "...", "relation": "...", "original": "...",
     "probes": [{"kind": "paraphrase", "prompt": "...", "target": "...", "name": ""}, ...]}
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wise.errors import DataError, unknown
from wise.files import write_json_lines

PROBE_KINDS = ("paraphrase", "locality_near", "locality_far", "portability", "ood")
"""What can be asked beside the edit itself.

`paraphrase`: the edit in other words, same target (generalization). `locality_near`: the same
relation of another subject, or another relation of the same subject; `locality_far`: another kind
of subject altogether; both keep their true answer as target. `portability`: a question whose answer
follows from the edit. `ood`: free text about the edited fact, to be continued.
"""

EDIT_KIND = "edit"
"""Kind of the question that is the edit prompt itself (reliability)."""

IN_SCOPE = (EDIT_KIND, "paraphrase", "portability", "ood")
"""Kinds of questions whose answer the edit changes."""

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
        row, where, ("id", "prompt", "target"), ("subject", "irrelevant", "relation", "original"), ("probes",)
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
    rows = _json_lines(Path(path))
    return _unique(path, ((number, record_from_dict(row, f"{path}, line {number}")) for number, row in rows))


def read_edits(path: str | Path, taken: Collection[str] = ()) -> list[EditRecord]:
    """Read a JSONL file of edits as people write them, where only prompt and target are required.

    An edit without an id is named after its line, such as "edit-00003", and differently where that is
    among the ids already `taken`. Raises as `read_records` does.
    """
    rows = ((number, _named(row, number, taken)) for number, row in _json_lines(Path(path)))
    return _unique(path, ((number, record_from_dict(row, f"{path}, line {number}")) for number, row in rows))


def free_id(name: str, taken: Collection[str]) -> str:
    """`name`, or the first of `name`-2, `name`-3, ... that is not taken."""
    candidates = (name if count == 1 else f"{name}-{count}" for count in itertools.count(1))
    return next(candidate for candidate in candidates if candidate not in taken)


def write_records(path: str | Path, records: Iterable[EditRecord]) -> None:
    """Write records as JSONL, atomically."""
    write_json_lines(path, map(asdict, records))


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Line number and parsed JSON of every line that is not blank."""
    if not path.exists():
        raise DataError(f"{path}: no such file of edit records")
    with path.open(encoding="utf-8") as stream:
        try:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, json.loads(line)
        except json.JSONDecodeError as error:
            where = f"{path}, line {number}"
            raise DataError(f"{where}: not valid JSON ({error.msg} at column {error.colno})") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error


def _named(row: Any, number: int, taken: Collection[str]) -> Any:
    return row if not isinstance(row, dict) or "id" in row else {"id": free_id(f"edit-{number:05d}", taken)} | row


def _unique(path: str | Path, numbered: Iterable[tuple[int, EditRecord]]) -> list[EditRecord]:
    """The records of a file, at least one, no id twice."""
    records: list[EditRecord] = []
    lines: dict[str, int] = {}
    for number, record in numbered:
        if record.id in lines:
            raise DataError(f"{path}, line {number}: id '{record.id}' was already used on line {lines[record.id]}")
        lines[record.id] = number
        records.append(record)
    if not records:
        raise DataError(f"{path}: holds no records")
    return records


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
