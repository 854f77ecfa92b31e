"""Where the documentation is, and what stands between comments in it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FILE_BLOCK = r"(?P<comment><!-- file: (?P<file>\S+) -->)\n```(?P<language>\w*)\n.*?```\n"
"""A code block whose text is that of a file."""


def with_part(text: str, name: str, part: str) -> str:
    """`text` with `part` between the comments that begin and end the part called `name`."""
    begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"docs/generate.py: the comments of part '{name}' are missing")
    return f"{before}{begin}{part}\n{found}{after}"


def with_files(text: str) -> str:
    """`text` with the content of a file in each code block below a comment that names it: `<!-- file: PATH -->`."""

    def filled(found: re.Match[str]) -> str:
        code = (ROOT / found["file"]).read_text(encoding="utf-8").rstrip("\n")
        return f"{found['comment']}\n```{found['language']}\n{code}\n```\n"

    return re.sub(FILE_BLOCK, filled, text, flags=re.DOTALL)


def pages() -> list[Path]:
    """Every page but the generated reference of the Python interface, and but tables that the workflow wrote."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("config/*.md"), *ROOT.glob("benchmarks/*.md")]
    return sorted(path for path in found if path.name != "api.md" and "tables" not in path.parts)
