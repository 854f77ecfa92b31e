"""Tables as Markdown and as booktabs LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

SIGNS = {character: "\\" + character for character in "&%$#_{}"}
SIGNS |= {"^": r"\^{}", "~": r"\~{}", "\\": r"\textbackslash{}", "<": "$<$", ">": "$>$", "≥": r"$\ge$", "≤": r"$\le$"}
SIGNS |= {"–": "--", "±": r"$\pm$", "ρ": r"$\rho$", "τ": r"$\tau$", "×": r"$\times$"}
"""Characters that LaTeX writes in another way."""


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
    """Text as LaTeX writes it."""
    return "".join(SIGNS.get(character, character) for character in text)


def booktabs(text: str) -> str:
    """The tables of a Markdown text as LaTeX, with the headings above them as captions and other lines below these.

    Needs the packages booktabs and graphicx; a table wider than the page is made smaller.
    """
    made, said = [], []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if len(lines) > 2 and lines[0].startswith("|") and lines[1].startswith("| ---"):
            made.append(_booktabs([_cells(line) for line in (lines[0], *lines[2:])], _cells(lines[1]), said))
            said = []
        elif lines:
            said.append(" ".join(lines).lstrip("# "))
    return "\n".join(made)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _booktabs(rows: list[list[str]], align: list[str], said: list[str]) -> str:
    columns = "".join("r" if cell.endswith(":") else "l" for cell in align)
    body = [" & ".join(map(_in_latex, row)) + r" \\" for row in rows]
    caption = [r"\caption{" + " ".join(map(_in_latex, said)) + "}"] if said else []
    return "\n".join([
        r"\begin{table*}[t]", r"\centering", *caption,
        r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%", rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule", body[0], r"\midrule", *body[1:], r"\bottomrule", r"\end{tabular}}", r"\end{table*}", "",
    ])  # fmt: skip


def _in_latex(text: str) -> str:
    """A cell or sentence of Markdown; code and bold as such, links by their words."""
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text).replace("<br>", " ")
    text = escape(text.replace("\\", "")).replace("[", "{[}")  # behind the end of a row [ begins an option
    text = re.sub(r"`([^`]+)`", r"\\texttt{\1}", text)
    return re.sub(r"\*\*([^*]+)\*\*", r"\\textbf{\1}", text)
