"""Files of edits as people write them: JSON Lines, a JSON list, or a table of CSV.

Only `prompt` and `target` are required. `examine` reads a file whole and names everything that is wrong in it, by
line and key, so that a person mends it once; `read_edits` is the same for programs, which get records or an error.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from wise.documents import NotJson, UnreadableText, decode, read_text
from wise.errors import DataError
from wise.records import EditRecord, free_id, record_from_dict, row_problems

LARGEST = 2**29
"""Bytes of a file of edits."""

SHOWN = 20
"""Problems that an error lists."""

Row = tuple[int, Any]
"""The number of a line, from 1, and what stands on it."""


@dataclass(frozen=True)
class EditFile:
    """What a file holds: the sound `records`, the `lines` on which they begin, and a text for each problem."""

    path: Path
    records: tuple[EditRecord, ...]
    lines: tuple[int, ...]
    problems: tuple[str, ...]

    def refusal(self) -> DataError:
        """The error that names the problems of the file."""
        more = len(self.problems) - SHOWN
        listed = [*self.problems[:SHOWN], *([f"and {more} more"] if more > 0 else [])]
        return DataError("\n".join([f"{self.path}: cannot be used, {_counted(len(self.problems))}:", *listed]))


def read_edits(path: str | Path, taken: Collection[str] = ()) -> list[EditRecord]:
    """The records of a file of edits; raises `DataError` with every problem that `examine` finds."""
    found = examine(path, taken)
    if found.problems:
        raise found.refusal()
    return list(found.records)


def examine(path: str | Path, taken: Collection[str] = ()) -> EditFile:
    """Read a file of edits and find what is wrong in it.

    An edit without an id is named after its line, such as "edit-00003", and differently where that is the id of
    another edit of the file or among those `taken`. Raises `DataError` only for what is no file, an archive or
    larger than `LARGEST`.
    """
    path = Path(path)
    rows, problems = _rows(path)
    given = {str(row["id"]) for _, row in rows if isinstance(row, dict) and "id" in row}
    first: dict[str, int] = {}
    records, lines = [], []
    for line, row in rows:
        named = row
        if isinstance(row, dict) and "id" not in row:
            named = {"id": free_id(f"edit-{line:05d}", {*taken, *given, *first})} | row
        wrong = [f"line {line}: {problem}" for problem in row_problems(named)]
        if not wrong:
            record = record_from_dict(named)
            if record.id in first:
                wrong = [f"line {line}: 'id' {record.id!r} was already used on line {first[record.id]}"]
            else:
                first[record.id] = line
                records.append(record)
                lines.append(line)
        problems += wrong
    if not rows and not problems:
        problems.append("holds no edits")
    return EditFile(path, tuple(records), tuple(lines), tuple(sorted(problems, key=_line_of)))


def _rows(path: Path) -> tuple[list[Row], list[str]]:
    """The rows of a file, and what kept others from being read."""
    try:
        text = read_text(path, LARGEST, "file of edits", "utf-8-sig")  # what opens a file on Windows is no part of it
    except UnreadableText as error:
        return [], [f"{error.reason}; save the file as UTF-8"]
    if path.suffix.lower() in (".csv", ".tsv"):
        return _table(text)
    return _list(text) if text.lstrip()[:1] == "[" else _json_lines(text)


def _json_lines(text: str) -> tuple[list[Row], list[str]]:
    rows, problems = [], []
    for number, line in enumerate(text.split("\n"), start=1):  # other line ends may stand in a text
        try:
            rows += [(number, decode(line))] if line.strip() else []
        except NotJson as error:
            problems.append(f"line {number}: {error}")
    if problems and _is_json(text):
        return [], ["is one JSON object over several lines; write one edit a line, or a list of edits in [ ]"]
    return rows, problems


def _list(text: str) -> tuple[list[Row], list[str]]:
    """The items of a JSON list, by the line on which each begins."""
    try:
        decode(text)
    except NotJson as error:
        return [], [f"line {error.line}: {error}"]
    decoder, rows = json.JSONDecoder(), []
    at = _skip(text, text.index("[") + 1)
    while text[at] != "]":
        value, end = decoder.raw_decode(text, at)
        rows.append((text.count("\n", 0, at) + 1, value))
        at = _skip(text, end)
    return rows, []


def _table(text: str) -> tuple[list[Row], list[str]]:
    """The rows of a table whose first line names the keys; an empty cell is a key that is not there."""
    columns = [field.name for field in fields(EditRecord) if field.name != "probes"]
    header = text.split("\n", 1)[0]
    table = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    rows, problems, line = [], [], 1
    try:
        names = [name.strip() for name in next(table, [])]
        if unusable := [name for name in names if name not in columns]:
            return [], [f"line 1: column {', '.join(map(repr, unusable))} is none of {', '.join(columns)}; "
                        "edits with probes are written as JSON"]  # fmt: skip
        while True:
            line = table.line_num + 1
            cells = next(table, None)
            if cells is None:
                return rows, problems
            if len(cells) > len(names):
                problems.append(f"line {line}: {len(cells)} cells, the first line names {len(names)} columns")
            elif any(cell.strip() for cell in cells):
                rows.append((line, {name: cell for name, cell in zip(names, cells, strict=False) if cell.strip()}))
    except csv.Error as error:
        return rows, [*problems, f"line {line}: not valid CSV ({error})"]


def _skip(text: str, at: int) -> int:
    """The next position that is neither white space nor a comma."""
    while text[at] in " \t\r\n,":
        at += 1
    return at


def _is_json(text: str) -> bool:
    try:
        return isinstance(decode(text), Mapping)
    except NotJson:
        return False


def _line_of(problem: str) -> int:
    """The line that a problem names."""
    number = problem.removeprefix("line ").split(":")[0]
    return int(number) if number.isdigit() else 0


def _counted(count: int) -> str:
    return "one problem" if count == 1 else f"{count} problems"
