"""What an edit is and what is asked about it: `EditRecord` and `Probe`, in and out of JSONL.

One line of a file of records is one edit::

    {"id": "qa-00017", "prompt": "...", "target": "...", "subject": "...",
     "irrelevant": "...", "irrelevant_prompt": "...", "relation": "...", "original": "...", "task": "", "label": "",
     "probes": [{"kind": "paraphrase", "prompt": "...", "target": "...", "name": ""}, ...]}
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from wise.documents import json_lines
from wise.errors import DataError, unknown
from wise.files import write_json_lines

EDIT_KIND = "edit"
"""Kind of the question that is the edit prompt itself (reliability)."""

Kind = Literal["edit", "paraphrase", "locality_near", "locality_far", "portability", "ood", "opinion"]

PROBE_KINDS = get_args(Kind)[1:]
"""What can be asked beside the edit itself.

`paraphrase`: the edit in other words, same target (generalization). `locality_near`: the same
relation of another subject, or another relation of the same subject; `locality_far`: another kind
of subject altogether; both keep their true answer as target. `portability`: a question whose answer
follows from the edit. `ood`: free text about the edited fact, to be continued. `opinion`: what is said of
the edited topic; its name is `WANTED` for an answer of the polarity that the edit asks for, `OPPOSITE` for one of the
other, which is to become less likely.
"""

IN_SCOPE = (EDIT_KIND, "paraphrase", "portability", "ood", "opinion")
"""Kinds of questions whose answer the edit changes."""

WANTED, OPPOSITE = "wanted", "opposite"
"""Names of opinions, by polarity."""

OTHER_TOPIC = "other_topic"
"""Name of locality probes that hold opinions on another topic."""

EDIT_INDEX = -1
"""Its index, beside those of the probes, which count from 0."""

LATER = ("irrelevant_prompt", "task", "label")
"""Keys of records that are written only where they say something, so that older files keep their digests."""

FILLED = ("id", "prompt", "target")
"""Texts of edits and probes that must hold more than white space, in a file and where a record is learned."""

CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=CLOSED)
class Probe:
    """One question: `prompt` is to be answered by `target`; `name` is the sub-kind.

    `original` is the answer that was right before the edit. Where it is known, it is measured whether the unedited
    model can answer such questions at all.
    """

    kind: Kind
    prompt: str
    target: str
    name: str = ""
    original: str = ""


@dataclass(frozen=True, config=CLOSED)
class EditRecord:
    """One edit: after it, `prompt` is to be answered by `target`.

    `irrelevant` is one text outside the scope of the edit, for the routing loss: an unrelated question with its answer.
    `irrelevant_prompt` is the beginning of it that asks; without it the whole text is taken for the question.
    `original` is the answer that was true before, where it is known. `task` names the kind of edit, and `label` the
    polarity of an edit of opinions ("positive" or "negative"), for editors that are told what they do
    (`wise.instructions`).
    """

    id: str
    prompt: str
    target: str
    subject: str = ""
    irrelevant: str = ""
    probes: tuple[Probe, ...] = ()
    relation: str = ""
    original: str = ""
    irrelevant_prompt: str = ""
    task: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        if not self.irrelevant.startswith(self.irrelevant_prompt):
            raise ValueError("'irrelevant_prompt' must be the beginning of 'irrelevant'")
        for index, probe in enumerate(self.probes):
            if probe.kind == EDIT_KIND:
                raise ValueError(f"probe {index}: {unknown('probe kind', probe.kind, PROBE_KINDS)}")

    @property
    def unrelated_prompt(self) -> str:
        """What is asked outside the scope of the edit, as prompts are asked: without the answer. Empty for nothing."""
        return self.irrelevant_prompt or self.irrelevant

    def questions(self) -> Iterator[tuple[int, Probe]]:
        """The edit itself with `EDIT_INDEX`, then every probe with its index."""
        yield EDIT_INDEX, Probe(EDIT_KIND, self.prompt, self.target)
        yield from enumerate(self.probes)


_RECORD = TypeAdapter(EditRecord)


def record_from_dict(row: Any, where: str = "record") -> EditRecord:
    """A record from parsed JSON. Raises `DataError`, which opens with `where` (file and line) and names every
    problem: a missing or empty field, an unknown key or probe kind, a value that is no text.
    """
    try:
        record = _RECORD.validate_python(row)
    except ValidationError as error:
        raise DataError(f"{where}: {'; '.join(_problems(row, error))}") from error
    if empty := list(_empty(row)):
        raise DataError(f"{where}: {'; '.join(empty)}")
    return record


def require_filled(record: EditRecord) -> None:
    """Raise `DataError` for a record made in code that lacks a text which every record in a file has."""
    if empty := list(_empty(asdict(record))):
        raise DataError(f"record '{record.id}': {'; '.join(empty)}")
    for key in (*FILLED, "subject", "irrelevant"):
        require_characters(getattr(record, key))


def require_characters(text: str) -> None:
    """Raise `DataError` for half of a surrogate pair, which no tokenizer reads."""
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise DataError(f"{text[:80]!a} has half of a surrogate pair, which is no character")


def row_problems(row: Any) -> list[str]:
    """Everything that is wrong with an edit as parsed JSON, each problem with its key; none for a sound one."""
    try:
        _RECORD.validate_python(row)
    except ValidationError as error:
        return _problems(row, error)
    return list(_empty(row))


def read_records(path: str | Path, may_be_empty: bool = False) -> list[EditRecord]:
    """Read a JSONL file of records.

    Raises `DataError` naming file, line and key for malformed JSON, a missing or empty field, an
    unknown key or probe kind, and a repeated id, and for a file without records unless it `may_be_empty`.
    """
    rows = json_lines(path, "file of edit records")
    records = _unique(path, ((number, record_from_dict(row, f"{path}, line {number}")) for number, row in rows))
    if not records and not may_be_empty:
        raise DataError(f"{path}: holds no records")
    return records


def free_id(name: str, taken: Collection[str]) -> str:
    """`name`, or the first of `name`-2, `name`-3, ... that is not taken."""
    candidates = (name if count == 1 else f"{name}-{count}" for count in itertools.count(1))
    return next(candidate for candidate in candidates if candidate not in taken)


def write_records(path: str | Path, records: Iterable[EditRecord]) -> None:
    """Write records as JSONL, atomically; keys of `LATER` that say nothing of a record are left out."""
    write_json_lines(path, map(_row, records))


def _row(record: EditRecord) -> dict[str, Any]:
    """A record as JSON, without keys that later versions added and that say nothing of it."""
    row = {key: value for key, value in asdict(record).items() if value or key not in LATER}
    for probe in row["probes"]:
        if not probe["original"]:
            del probe["original"]
    return row


def _unique(path: str | Path, numbered: Iterable[tuple[int, EditRecord]]) -> list[EditRecord]:
    """The records of a file, no id twice."""
    records: list[EditRecord] = []
    lines: dict[str, int] = {}
    for number, record in numbered:
        if record.id in lines:
            raise DataError(f"{path}, line {number}: id '{record.id}' was already used on line {lines[record.id]}")
        lines[record.id] = number
        records.append(record)
    return records


def _empty(row: Any) -> Iterator[str]:
    """The texts of a row that must not be empty and are; what is no text at all is another problem."""
    probes = row.get("probes", ()) if isinstance(row, dict) else ()
    numbered = (
        (f"probe {index}: ", probe) for index, probe in enumerate(probes if isinstance(probes, list | tuple) else ())
    )
    for where, part in (("", row), *numbered):
        if isinstance(part, dict):
            for key in FILLED:
                value = part.get(key)
                if isinstance(value, str) and not value.strip():
                    yield f"{where}'{key}' is empty"


def _problems(row: Any, error: ValidationError) -> list[str]:
    return [*_empty(row), *map(_problem, error.errors(include_url=False))]


def _problem(detail: ErrorDetails) -> str:
    """One problem of a row: the index of the probe if it is in one, the key, and what is wrong."""
    place, kind, found = list(detail["loc"]), detail["type"], detail["input"]
    in_probe = len(place) > 1 and place[0] == "probes"
    where, place = (f"probe {place[1]}: ", place[2:]) if in_probe else ("", place)
    if not place:  # of the row or the probe as a whole
        message = f"expected a JSON object, found {type(found).__name__}"
        return where + (str(detail.get("ctx", {}).get("error")) if kind == "value_error" else message)
    key = str(place[0])
    if kind == "unexpected_keyword_argument":
        return where + str(unknown("key", key, (field.name for field in fields(Probe if in_probe else EditRecord))))
    if kind == "literal_error" and isinstance(found, str):
        return where + str(unknown("probe kind", found, PROBE_KINDS))
    wanted = "a list" if key == "probes" else "a text"
    missing = kind in ("missing", "missing_argument")
    return f"{where}'{key}' must be {wanted}, found {'nothing' if missing else type(found).__name__}"
