"""Text and JSON that may come from anywhere: read up to a size, and refused with the place where they are wrong.

What a message quotes of a document is cut short (`wise.errors.shown`), and nothing in a document is ever run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from wise.errors import DataError, shown

LARGEST = 2**26
"""Bytes of a JSON document, such as a config: read whole, it takes many times its size in memory."""

LONGEST_LINE = 2**24
"""Bytes of one line of JSON Lines."""

DEEPEST = 64
"""Lists and objects inside each other; beyond, recursive code would fail in odd places."""

ARCHIVES = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "a zip archive",
    b"\x1f\x8b": "compressed with gzip",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a rar archive",
}
"""How archives begin. None is ever unpacked: what is inside could lie outside of where it is unpacked to, or be of any
size. What PyTorch pickles is a zip archive too."""

TAR, TAR_AT = b"ustar", 257
"""What a tar archive has where."""

WHOLE = 2**63
"""Whole numbers are smaller than this in size, as in tensors and tables."""


def refuse_archive(path: str | Path) -> None:
    """Raise `DataError` for a file that is an archive; it has to be unpacked by whoever trusts it."""
    with open(path, "rb") as stream:
        start = stream.read(TAR_AT + len(TAR))
    kind = next((kind for sign, kind in ARCHIVES.items() if start.startswith(sign)), None)
    kind = "a tar archive" if start[TAR_AT:] == TAR else kind
    if kind is not None:
        raise DataError(f"{path}: is {kind}, and archives are not read; unpack it and name the file inside")


def read_text(path: str | Path, largest: int = LARGEST, what: str = "file", encoding: str = "utf-8") -> str:
    """A whole text; raises `DataError` where there is no such file, or it is an archive, too large or not UTF-8.

    `largest` in bytes; `what` names the kind of file in messages.
    """
    path = Path(path)
    require_file(path, what)
    size = path.stat().st_size
    if size > largest:
        raise DataError(f"{path}: has {size} bytes, a {what} at most {largest}")
    refuse_archive(path)
    try:
        return path.read_bytes().decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableText(path, f"not UTF-8 text ({error.reason} at byte {error.start})") from error


class UnreadableText(DataError):
    """A file that is no text; `reason` says why, without the file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason


def require_file(path: Path, what: str = "file") -> None:
    """Raise `DataError` for a path that is no ordinary file: a pipe or a device would never end."""
    if not os.path.lexists(path):
        raise DataError(f"{path}: no such {what}")
    if not path.is_file():
        raise DataError(f"{path}: is not a file; a {what} is wanted")


def read_json(path: str | Path, largest: int = LARGEST) -> Any:
    """One JSON document; raises `DataError` naming the file, and the line where it is no JSON."""
    return parse_json(read_text(path, largest), str(path))


def read_object(path: str | Path, keys: Sequence[str] = (), largest: int = LARGEST) -> dict[str, Any]:
    """One JSON object that has the `keys`; raises `DataError` naming the file and the key that it lacks."""
    found = read_json(path, largest)
    if not isinstance(found, dict):
        raise DataError(f"{path}: must be a JSON object, found {type(found).__name__}")
    for key in keys:
        if key not in found:
            raise DataError(f"{path}: lacks the key '{key}'")
    return found


def json_lines(path: str | Path, what: str = "file") -> Iterator[tuple[int, Any]]:
    """Line number, from 1, and document of every line that is not blank; raises `DataError` naming file and line."""
    path = Path(path)
    require_file(path, what)
    refuse_archive(path)
    with path.open("rb") as stream:
        number, before = 0, 0
        while line := stream.readline(LONGEST_LINE + 1):
            number += 1
            where = f"{path}, line {number}"
            if len(line) > LONGEST_LINE:
                raise DataError(f"{where}: is longer than {LONGEST_LINE} bytes")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {before + error.start})") from error
            if text.strip():
                yield number, parse_json(text.strip(), where)
            before += len(line)


class NotJson(ValueError):
    """A text that is not usable as JSON: the `line` where that shows, from 1, and what is wrong."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def parse_json(text: str, where: str) -> Any:
    """The document of a text; raises `DataError`, which opens with `where`, as `decode` does."""
    try:
        return decode(text)
    except NotJson as error:
        line = f", line {error.line}" if error.line > 1 else ""
        raise DataError(f"{where}{line}: {error}") from error


def decode(text: str) -> Any:
    """The document of a text; raises `NotJson`.

    Beside what is no JSON, that is so for a key that stands twice in an object, NaN, a whole number beyond 64 bits,
    half of a surrogate pair, which is no text, and lists nested deeper than `DEEPEST`.
    """
    too_deep = NotJson(1, f"not usable JSON (nested deeper than {DEEPEST})")
    try:
        found = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(error.lineno, f"not valid JSON ({error.msg} at column {error.colno})") from error
    except RecursionError as error:
        raise too_deep from error
    except ValueError as error:
        raise NotJson(1, f"not usable JSON ({error})") from error
    if text.count("[") + text.count("{") > DEEPEST and _deeper(found, DEEPEST):
        raise too_deep
    if "\\ud" in text or "\\uD" in text:
        _require_text(found)
    return found


def _deeper(found: Any, most: int) -> bool:
    """Whether lists and objects are nested deeper than `most`."""
    level = [found]
    for _ in range(most + 1):
        level = [
            inner
            for value in level
            if isinstance(value, list | dict)
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, list | dict)
        ]
        if not level:
            return False
    return True


def _require_text(found: Any) -> None:
    try:
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotJson(1, "not usable JSON (holds half of a surrogate pair, which is no text)") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise ValueError(f"the key {shown(twice)} stands twice in one object")
    return made


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _whole(text: str) -> int:
    if len(text) > 20 or not -WHOLE <= (number := int(text)) < WHOLE:
        raise ValueError(f"the whole number {text[:20]}... has more than 64 bits")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number, parse_int=_whole)
