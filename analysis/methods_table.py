"""The general comparison of methods: what an editor keeps, what it changes, what it needs, and what that came to."""

from __future__ import annotations

import pandas as pd

from analysis.inputs import Inputs, setting
from analysis.output import Table
from analysis.style import in_order
from analysis.text import escape, markdown, number
from wise.editors.entries import EDITORS, OTHER, TRAITS

HEADER = ["Editor", "Family", "Edits are kept in", "What changes", "Needs before", "Extra parameters"]


def table(inputs: Inputs) -> Table:
    """A row for each editor of the comparison; traits from the table of editors, parameters from the run records."""
    extra: dict[str, float] = {}
    for run in inputs.records():
        ratio = float(setting(run, "cost.extra_parameters_ratio"))
        extra[run["editor"]] = max(extra.get(run["editor"], 0.0), ratio)
    rows = pd.DataFrame([_row(editor, extra[editor]) for editor in in_order(extra)])
    lines = [[*map(str, row[:-1]), f"{number(100 * row[-1])}%"] for row in rows.itertuples(index=False, name=None)]
    text = "Extra parameters: share of the model's, the largest over runs and T.\n\n" + markdown(HEADER, lines, left=5)
    return Table(rows, text, _latex(lines))


def _row(editor: str, extra: float) -> dict:
    entry = EDITORS.get(editor)
    family = entry.family if entry else OTHER
    memory, changes = TRAITS.get(editor) or TRAITS[family]
    return {
        "editor": entry.label or editor if entry else editor, "family": family,
        "memory": memory, "changes": changes,
        "needs": (entry.artifact if entry else None) or "nothing",
        "extra_parameters_ratio": extra,
    }  # fmt: skip


def _latex(lines: list[list[str]]) -> str:
    return "\n".join([
        r"\begin{table*}[t]", r"\centering", r"\caption{Methods by what they keep and change.}",
        r"\begin{tabular}{lllllr}", r"\toprule", " & ".join(HEADER) + r" \\", r"\midrule",
        *(" & ".join(map(escape, line)) + r" \\" for line in lines),
        r"\bottomrule", r"\end{tabular}", r"\end{table*}", "",
    ])  # fmt: skip
