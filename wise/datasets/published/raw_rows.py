"""Records as published: JSON rows whose fields are read with care, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wise.documents import NotJson, decode, read_text
from wise.errors import DataError
from wise.records import EditRecord, Probe

LARGEST = 2**31
"""Bytes of a published file."""


@dataclass(frozen=True)
class Problem:
    """One field that makes a record useless, by the record's index in its file."""

    index: int
    field: str
    what: str

    def __str__(self) -> str:
        return f"record {self.index}: '{self.field}' {self.what}"


class Row:
    """One raw record. Readers return an empty text for a bad field and add to `problems`."""

    def __init__(self, value: Any, index: int, prefix: str = "") -> None:
        self.index = index
        self.prefix = prefix
        self.problems: list[Problem] = []
        self.value = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self.problem("record", f"must be a JSON object, found {type(value).__name__}")

    def problem(self, field: str, what: str) -> None:
        """Note what is wrong with a field."""
        self.problems.append(Problem(self.index, self.prefix + field, what))

    def __contains__(self, key: str) -> bool:
        return self.value.get(key) is not None

    def verbatim(self, key: str) -> str:
        """A text that may be empty, with the white space at its ends."""
        if key not in self:
            self.problem(key, "is missing")
            return ""
        return self._checked(key, self.value[key])

    def text(self, key: str) -> str:
        """A text that must hold something, without the white space at its ends."""
        count = len(self.problems)
        text = self.verbatim(key).strip()
        if not text and len(self.problems) == count:
            self.problem(key, "is empty")
        return text

    def texts(self, key: str) -> list[str]:
        """A list of texts, or one text in place of a list of one; nothing where the field is not there."""
        value = self.value.get(key) or []
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list):
            self.problem(key, f"must be a list of texts, found {type(texts).__name__}")
            return []
        return [self._checked(f"{key}[{i}]", text).strip() for i, text in enumerate(texts)]

    def inner(self, key: str) -> Row | None:
        """The JSON object in a field, whose problems are this row's; None where the field is not there."""
        if key not in self:
            return None
        value = self.value[key]
        if not isinstance(value, dict):
            self.problem(key, f"must be a JSON object, found {type(value).__name__}")
            return None
        inner = Row(value, self.index, f"{self.prefix}{key}.")
        inner.problems = self.problems
        return inner

    def _checked(self, field: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        self.problem(field, f"must be a text, found {type(value).__name__}")
        return ""


@dataclass(frozen=True)
class Entry:
    """A record, and what its file says beyond it.

    `bystander` is a question that the edit leaves alone, to be asked of edits of other subjects, and `unrelated` the
    text of it with its answer, for the routing loss, which begins with `unrelated_prompt`. `no_op` says that the
    target, as published, was an accepted answer before. `unanswered` counts questions that were left out for want of
    an answer.
    """

    record: EditRecord
    bystander: Probe | None = None
    unrelated: str = ""
    unrelated_prompt: str = ""
    no_op: bool = False
    unanswered: int = 0

    @classmethod
    def beside(cls, record: EditRecord, bystander: Probe | None, no_op: bool = False, unanswered: int = 0) -> Entry:
        """A record with a question beside it, whose text is the question and its answer with a space between them."""
        if bystander is None:
            return cls(record, no_op=no_op, unanswered=unanswered)
        text = f"{bystander.prompt} {bystander.target}"
        return cls(record, bystander, text, bystander.prompt, no_op, unanswered)


Convert = Callable[[Row, str], Entry]
"""From a raw record and the id that it is to get."""


def read_rows(path: str | Path) -> list[Any]:
    """The rows of a JSON array, or of a file with one JSON document a line; raises `DataError` for anything else."""
    path = Path(path)
    text = read_text(path, LARGEST, "raw file")
    rows = _parsed(path, 1, text) if text.lstrip()[:1] == "[" else [_parsed(path, *line) for line in _lines(text)]
    if not rows:
        raise DataError(f"{path}: holds no records")
    return rows


def _lines(text: str) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _parsed(path: Path, number: int, text: str) -> Any:
    """The JSON document that begins on a line."""
    try:
        return decode(text)
    except NotJson as error:
        raise DataError(f"{path}, line {number + error.line - 1}: {error}") from error


def convert_rows(
    rows: Sequence[Any], convert: Convert, prefix: str, limit: int = 0
) -> tuple[list[Entry], list[Problem]]:
    """Entries of the sound rows, the first `limit` of them if that is set, and the problems of the others.

    The id of a record is the prefix and its index in the file, so that it depends on no option.
    """
    entries, problems = [], []
    for index, value in enumerate(rows):
        row = Row(value, index)
        entry = convert(row, f"{prefix}-{index:05d}") if not row.problems else None
        problems += row.problems
        if entry and not row.problems:
            entries.append(entry)
            if len(entries) == limit:
                break
    return entries, problems
