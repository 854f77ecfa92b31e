"""Trained on one task, tried on each: the success of single edits as a matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.sampled import intervals
from analysis.style import WIDTH, editor_style, in_order
from analysis.summary import summarise
from analysis.tasks.by_task import in_turn, successes, task_title
from analysis.tasks.variants import BY, read
from analysis.text import markdown, with_interval


def table(inputs: Inputs) -> Table:
    """A row for each editor, training and task: the success of its edits."""
    cells = cells_of(read(inputs))
    return Table(cells, to_markdown(cells))


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw the matrices."""
    return draw(cells_of(read(inputs)))


def cells_of(scores: pd.DataFrame) -> pd.DataFrame:
    """Means with intervals of the success of edits, trainings in the order of the configuration."""
    order = {name: place for place, name in enumerate(dict.fromkeys(scores["variant"]))}
    rows = successes(scores)
    parts = [summarise(rows, (metric,), BY) for metric in ("rel_exact", "es")]
    cells = pd.concat([part for part in parts if len(part)], ignore_index=True).rename(
        columns={"variant": "trained_on"}
    )
    return cells.sort_values(
        ["editor", "T", "trained_on"],
        key=lambda column: column.map(order) if column.name == "trained_on" else column,
        kind="stable",
        ignore_index=True,
    )


def to_markdown(cells: pd.DataFrame) -> str:
    """One matrix for each editor and T: a row for each training, a column for each task."""
    parts = [f"Success: all target tokens right; of ConvSent its ES. {intervals(cells)}\n"]
    for (editor, count), group in _matrices(cells):
        tasks = in_turn(group["task"])
        index = group.set_index(["trained_on", "task"])
        lines = [
            [trained, *(with_interval(*index.loc[(trained, task), ["mean", "low", "high"]]) for task in tasks)]
            for trained in dict.fromkeys(group["trained_on"])
        ]
        parts += [
            f"## {editor_style(editor).label}, T={count}\n",
            markdown(["Trained on", *map(task_title, tasks)], lines),
        ]
    return "\n".join(parts)


def draw(cells: pd.DataFrame) -> Figure:
    """The matrices of all editors at the smallest T side by side, on one scale of colours."""
    matrices = [(key, group) for key, group in _matrices(cells) if key[1] == cells["T"].min()]
    made = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    panels = made.subplots(1, len(matrices), squeeze=False)[0]
    shown = None
    for axes, ((editor, count), group) in zip(panels, matrices, strict=True):
        tasks, trained = in_turn(group["task"]), list(dict.fromkeys(group["trained_on"]))
        values = group.pivot(index="trained_on", columns="task", values="mean").reindex(index=trained, columns=tasks)
        shown = axes.imshow(values, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(values.to_numpy()):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7,
                      color="black" if value > 0.6 else "white")  # fmt: skip
        axes.set_xticks(range(len(tasks)), [task_title(task).replace(" (", "\n(") for task in tasks], fontsize=7)
        axes.set_yticks(range(len(trained)), trained)
        axes.set_xlabel("edited task")
        axes.set_title(f"{editor_style(editor).label}, T={count}", fontsize=8)
        axes.grid(visible=False)
    panels[0].set_ylabel("trained on")
    if shown is not None:
        made.colorbar(shown, ax=list(panels), label="success of edits", shrink=0.8)
    return made


def _matrices(cells: pd.DataFrame):
    groups = {key: rows for key, rows in cells.groupby(["editor", "T"], sort=False)}
    return [((editor, count), groups[editor, count]) for editor in in_order(cells["editor"])
            for count in sorted(cells["T"].unique()) if (editor, count) in groups]  # fmt: skip
