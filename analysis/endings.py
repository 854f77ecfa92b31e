"""What follows the target in free answers, beside what the unedited model writes there."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.sampled import intervals
from analysis.style import editor_style, in_order, settings
from analysis.summary import summarise
from analysis.text import markdown, number
from wise.errors import NothingToShow

COLUMNS = {
    "Stops": ("stops", "stops_before"),
    "Repeats": ("repeats", "repeats_before"),
    "Goes on": ("goes_on",),
    "Entropy": ("ending_entropy", "ending_entropy_before"),
    "PPL": ("ending_nll", "ending_nll_before"),
}
"""Metrics of each column: of the edited model, and of the unedited one where it has a value of its own."""

METRICS = tuple(metric for pair in COLUMNS.values() for metric in pair)


def table(inputs: Inputs) -> Table:
    """CSV with the columns of `analysis.summary`; Markdown with a row for every T and editor.

    Raises `NothingToShow` where no free answer begins with its target.
    """
    cells = summarise(inputs.scores(), METRICS)
    if cells.empty:
        raise NothingToShow("no free answer begins with the target of its edit, or none was asked for")
    return Table(cells, to_markdown(cells))


def to_markdown(cells: pd.DataFrame) -> str:
    """One table for each dataset and model; where there are two numbers, the second is the unedited model's."""
    parts = [
        "Free answers that begin with the target, by what follows it within 16 tokens: after the edit / of the "
        "unedited model, which is given the target. Stops: end token, full stop or new line. Repeats: the target's "
        "last word again. Goes on: ends or goes on with the same word as the unedited model. Entropy: of n-grams. "
        "PPL: perplexity to the unedited model, exp of the mean loss.\n",
    ]
    for title, group in settings(cells):
        wide = group.set_index(["T", "editor", "metric"])["mean"]
        counts = group.groupby(["T", "editor"])["edits"].max()
        rows = [
            [str(T), editor_style(editor).label, str(counts[T, editor]), *(_cell(wide, T, editor, c) for c in COLUMNS)]
            for T in sorted(group["T"].unique())
            for editor in in_order(group.loc[group["T"] == T, "editor"])
        ]
        header = ["T", "Editor", "Edits", *COLUMNS]
        parts += [f"## {title}\n", f"{intervals(group)}\n", markdown(header, rows, left=2)]
    return "\n".join(parts)


def _cell(wide: pd.Series, T: int, editor: str, column: str) -> str:
    values = [wide.get((T, editor, metric), np.nan) for metric in COLUMNS[column]]
    shown = [np.exp(value) for value in values] if column == "PPL" else values
    return " / ".join(number(value, 0 if column == "Entropy" else 2) for value in shown)
