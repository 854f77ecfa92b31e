"""Tables as Markdown and as booktabs LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def number(value: float, digits: int = 2) -> str:
    """A number with `digits` decimals, in powers of ten from a million on; a dash for NaN, and `inf` spelled out."""
    if pd.isna(value):
        return "–"
    if 1e6 <= abs(value) < float("inf"):
        return f"{value:.2e}"
    return f"{value:.{digits}f}"


def with_interval(mean: float, low: float, high: float, digits: int = 2) -> str:
    """The mean and both ends of its interval, as `0.93 [0.90, 0.95]`."""
    return f"{number(mean, digits)} [{number(low, digits)}, {number(high, digits)}]"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns are aligned left, the others right."""
    align = ["---" if index < left else "---:" for index in range(len(header))]
    lines = [header, align, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def markdown_frame(frame: pd.DataFrame, digits: int = 3, left: int = 1) -> str:
    """A frame as a Markdown table, floats with `digits` decimals."""
    rows = [
        [number(cell, digits) if isinstance(cell, float) else str(cell) for cell in row]
        for row in frame.itertuples(index=False, name=None)
    ]
    return markdown([str(name) for name in frame.columns], rows, left)


def escape(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    for character in "&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text
