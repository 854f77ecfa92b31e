"""Numbers in prose that come from committed results: where each one is from, and what it is today.

A comment right behind a number names its source:

    WISE-Retrieve reaches .95<!--= default/main wise-retrieve T=100 avg --> after 100 edits.

The source is a table, then what leaves one of its rows, then the column (`mean` or `value` where none is named).
`KEY=VALUE` asks for a value of one column, a bare word for one of any column; `"two words"` are one. In a JSON file the
words are keys. The number as it stands says how it is written: its decimals, its sign, its unit.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

from docs.pages import ROOT

MARK = "<!--="
MARKED = re.compile(
    r"(?P<shown>(?P<sign>[+-]?)(?P<whole>[\d,]*)(?:\.(?P<decimals>\d+))?(?P<unit>%|M| (?:min|hours|s|ms|GiB|MiB|MB))?)"
    rf"(?P<mark>{MARK}\s(?P<source>.*?)\s-->)",
    re.DOTALL,
)
UNITS = {"%": 100, "M": 1e-6, " min": 1 / 60, " hours": 1 / 3600, " ms": 1000, " GiB": 2**-30, " MiB": 2**-20,
         " MB": 1e-6, " s": 1, None: 1}  # fmt: skip
"""What a value is multiplied by where its number is written with this unit."""

DEFAULT_COLUMNS = ("mean", "value")
"""The column that holds the numbers of a table, where none is named."""


class SourceError(Exception):
    """A number of the documentation has no source, or none that gives one value."""


def with_numbers(text: str) -> str:
    """`text` with each marked number as its source has it; raises `SourceError` where that is not one number."""
    made, count = MARKED.subn(lambda found: written(found) + found["mark"], text)
    if count < text.count(MARK):
        raise SourceError(f"{text.count(MARK) - count} of the comments that begin with {MARK} do not end")
    return made


def written(found: re.Match[str]) -> str:
    """A marked number's value in its form: `.96`, `0.96`, `+.013`, `96%`, `1,024`, `6.9M`, `3 min` (of seconds)."""
    if not (found["whole"] or found["decimals"]):
        raise SourceError(f"{found['source']}: no number stands in front")
    decimals = len(found["decimals"] or "")
    sign, comma = "+" if found["sign"] else "", "," if "," in found["whole"] else ""
    value = value_of(found["source"]) * UNITS[found["unit"]]
    text = f"{round(value, decimals) + 0.0:{sign}{comma}.{decimals}f}"  # adding 0 takes the minus from a zero
    if decimals and not found["whole"].startswith("0"):
        text = re.sub(r"^([+-]?)0\.", r"\1.", text)
    return text + (found["unit"] or "")


def value_of(source: str) -> float:
    """The number that a source names."""
    place, *words = shlex.split(" ".join(source.split()))
    path = file_of(place)
    return _in_document(path, words) if path.suffix == ".json" else _in_table(path, words)


def file_of(place: str) -> Path:
    """The committed file that a source names, such as `default/main` or `benchmarks/parent`."""
    if place == "published":
        return ROOT / "analysis/published.csv"
    folder, _, name = place.partition("/")
    results = ROOT / "docs/results" / folder
    tried = [ROOT / f"benchmarks/results/{name}.json"] if folder == "benchmarks" else []
    tried += [results / f"tables/{name}.csv", results / f"{name}.json"]
    for path in tried:
        if path.is_file():
            return path
    raise SourceError(f"{place}: there is no {' nor '.join(str(path.relative_to(ROOT)) for path in tried)}")


@cache
def table(path: Path) -> list[dict[str, str]]:
    """The rows of a committed table."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _in_table(path: Path, words: list[str]) -> float:
    rows, where = table(path), f"{path.relative_to(ROOT)}: {' '.join(words)}"
    columns = list(rows[0])
    column = next((name for name in (*words[-1:], *DEFAULT_COLUMNS) if name in columns), None)
    if column is None:
        raise SourceError(f"{where}: name a column last ({', '.join(columns)})")
    words = words[:-1] if words[-1:] == [column] else words
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key not in columns:
            raise SourceError(f"{where}: no column '{key}' ({', '.join(columns)})")
        rows = [row for row in rows if (_same(row[key], value) if equals else word in row.values())]
    if len(rows) != 1:
        raise SourceError(f"{where}: {len(rows)} rows, expected one")
    return _number(rows[0][column], where)


def _same(cell: str, wanted: str) -> bool:
    """Equal as texts or as numbers: an option of 1 is `1` in one table and `1.0` in another."""
    try:
        return cell == wanted or float(cell) == float(wanted)
    except ValueError:
        return False


def _in_document(path: Path, words: list[str]) -> float:
    found: Any = json.loads(path.read_text(encoding="utf-8"))
    where = f"{path.relative_to(ROOT)}: {' '.join(words)}"
    for word in words:
        if not isinstance(found, dict) or word not in found:
            raise SourceError(f"{where}: no '{word}' ({', '.join(found) if isinstance(found, dict) else found})")
        found = found[word]
    return _number(found, where)


def _number(value: Any, where: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SourceError(f"{where}: '{value}' is not a number") from None
