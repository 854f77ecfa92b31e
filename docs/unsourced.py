"""Numbers of results that stand in prose without a source: `python docs/unsourced.py` lists them.

A decimal, a percentage, a time or a ratio is taken for a result unless it is code, generated, or marked with its source
(`docs/sources.py`). What is none, such as a definition or a published number, is allowed with a reason in
`docs/unsourced.yaml`, by the text around it or by the heading above it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from docs.pages import ROOT  # noqa: E402
from docs.sources import MARKED  # noqa: E402

NOT_PROSE = (
    re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL),
    re.compile(r"\$\$.*?\$\$", re.DOTALL),
    re.compile(r"<!-- begin: .*?<!-- end: \S+ -->", re.DOTALL),
    MARKED,
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"`[^`\n]+`"),
    re.compile(r"\]\([^)\n]*\)"),
    re.compile(r"https?://\S+"),
)
"""Code, formulae, generated parts, marked numbers, comments and addresses."""

TIMES = r"(?:ms|s|min|h|seconds?|minutes?|hours?|days?|weeks?|GPU-days)\b"
RESULT = re.compile(
    rf"(?<![\w./])[+-]?(?:\d[\d,]*\.\d+|\.\d+|\d[\d,]*(?=%| times\b| {TIMES}))(?:%| times\b| {TIMES})?(?!\w|\.\d)"
    r"|\b\w+fold\b"
)
"""A decimal, or a whole number with a unit that makes it a result."""


class Found(NamedTuple):
    """One number, the line of the file that it is in, and the heading above."""

    line: int
    number: str
    heading: str


def pages() -> list[Path]:
    """The pages whose numbers need a source."""
    return [ROOT / "README.md", *sorted(path for path in ROOT.glob("docs/*.md") if path.name != "api.md")]


def results_in(text: str, allowed: list[dict[str, str]]) -> Iterator[Found]:
    """Numbers without a source, but for those that `allowed` names."""
    for entry in allowed:
        if "text" in entry:
            text = re.sub(_spaced(entry["text"]), _blank, text)
    for pattern in NOT_PROSE:
        text = pattern.sub(_blank, text)
    sections, heading = {entry.get("section") for entry in allowed}, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif heading not in sections:
            yield from (Found(number, found[0], heading) for found in RESULT.finditer(line))


def unused(text: str, allowed: list[dict[str, str]]) -> list[str]:
    """Entries of the list that allow nothing any more."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [
        entry.get("text") or entry["section"]
        for entry in allowed
        if not (re.search(_spaced(entry["text"]), text) if "text" in entry else entry["section"] in headings)
    ]


def allowed_numbers() -> dict[str, list[dict[str, str]]]:
    """The list of what needs no source, page by page."""
    return yaml.safe_load((ROOT / "docs/unsourced.yaml").read_text(encoding="utf-8"))


def _spaced(text: str) -> str:
    """A pattern that finds `text` across line ends."""
    return r"\s+".join(re.escape(word) for word in text.split())


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


if __name__ == "__main__":
    for page in pages():
        name = page.relative_to(ROOT).as_posix()
        for found in results_in(page.read_text(encoding="utf-8"), allowed_numbers().get(name, [])):
            print(f"{name}:{found.line}: {found.number}")
