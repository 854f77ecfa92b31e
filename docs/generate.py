"""Writes the parts of the documentation that are derived from code and results: `python docs/generate.py`.

    docs/api.md          the Python interface, from signatures and docstrings
    docs/extending/      the examples, which are files that tests run
    tables               between two comments, from the registries and the committed results: `docs/tables.py`
    numbers in prose     in front of a comment, from the committed results: `docs/sources.py`

A test compares all of them with what they are made from, so that they cannot go stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from docs.api_page import api  # noqa: E402
from docs.pages import ROOT, pages, with_files, with_part  # noqa: E402
from docs.sources import MARK, SourceError, with_numbers  # noqa: E402
from docs.tables import PARTS  # noqa: E402


def documents() -> dict[Path, str]:
    """Every page that has a derived part, with the text that it should have."""
    made = {ROOT / "docs/api.md": api()}
    for path in pages():
        before = text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT).as_posix()
        for part, write in PARTS.get(name, ()):
            text = with_part(text, part, write())
        try:
            text = with_numbers(with_files(text))
        except SourceError as error:
            raise SystemExit(f"docs/generate.py: {name}: {error}") from None
        if text != before or name in PARTS or MARK in text or "<!-- file:" in text:
            made[path] = text
    return made


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
