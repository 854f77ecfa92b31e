"""The choice of InstructEdit's sentences: every round, what each sentence scored, and whether the round was kept."""

from __future__ import annotations

import pandas as pd

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.tasks.by_task import task_title
from analysis.text import markdown, number

COLUMNS = ["dataset", "model", "wording", "round", "task", "sentence", "score", "new", "kept"]


def table(inputs: Inputs) -> Table:
    """A row for each sentence of each round, in the order in which they were tried."""
    rows = [
        {"dataset": dataset, "model": model, "wording": found["wording"], **one}
        for dataset, model, found in inputs.rounds()
        for one in found["tried"]
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return Table(frame, to_markdown(frame))


def to_markdown(frame: pd.DataFrame) -> str:
    """The rounds with their mean scores, then the sentences of the last round that was kept, the best first."""
    parts = [
        "Score: mean of Rel, Gen and Loc of single development edits behind a sentence. A round that does not raise "
        "the mean of all is not kept and is the last. The held-out sentence and the held-out task have no part in it.\n"
    ]
    for (dataset, model), group in frame.groupby(["dataset", "model"], sort=False):
        lines = [
            [
                str(count),
                number(rows["score"].mean(), 3),
                str(int(rows["new"].sum())),
                "yes" if rows["kept"].all() else "no",
            ]
            for count, rows in group.groupby("round")
        ]
        parts += [f"## {dataset}, {model}\n", markdown(["Round", "Mean score", "New sentences", "Kept"], lines, left=1)]
        kept = group[group["kept"]]
        last = kept[kept["round"] == kept["round"].max()].sort_values("score", ascending=False, kind="stable")
        chosen = [
            [task_title(str(row.task)), str(row.sentence), number(row.score, 3)]
            for task in dict.fromkeys(group["task"])
            for row in last[last["task"] == task].itertuples(index=False)
        ]
        parts.append(markdown(["Task", "Sentence", "Score"], chosen, left=2))
    return "\n".join(parts)
