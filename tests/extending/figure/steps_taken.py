"""Steps taken: how many steps of optimisation the edits of each editor needed."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.style import WIDTH, editor_style, in_order
from analysis.text import markdown, number


def table(inputs: Inputs) -> Table:
    """Least, median and most steps by editor."""
    groups = steps(inputs).groupby("editor")["steps"]
    found = groups.agg(["min", "median", "max"]).loc[in_order(groups.groups)].reset_index()
    rows = [
        [editor_style(editor).label, *(number(value, 0) for value in values)] for editor, *values in found.to_numpy()
    ]
    return Table(found, markdown(["Editor", "Least", "Median", "Most"], rows))


def figure(inputs: Inputs) -> Figure:
    """The share of an editor's edits that needed at most so many steps."""
    frame = steps(inputs)
    made = Figure(figsize=(WIDTH * 0.6, 3.0), layout="constrained")
    axes = made.subplots()
    for editor in in_order(frame["editor"]):
        style = editor_style(editor)
        taken = frame.loc[frame["editor"] == editor, "steps"]
        axes.ecdf(taken, color=style.colour, linestyle=style.line, label=style.label)
    axes.set_xlabel("steps of optimisation")
    axes.set_ylabel("share of edits")
    made.legend(loc="outside right upper")
    return made


def steps(inputs: Inputs) -> pd.DataFrame:
    """Columns editor and steps: one row for each edit that did not fail, from the run records."""
    return pd.DataFrame(
        [
            {"editor": run["editor"], "steps": edit["iterations"]}
            for run in inputs.records()
            for edit in run["curve"]
            if edit["iterations"] is not None
        ]
    )
