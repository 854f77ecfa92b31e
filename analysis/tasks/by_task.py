"""Scores by the task of their edits, and what counts as the success of an edit of each task."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from analysis.inputs import Inputs
from wise.errors import DataError, NothingToShow

TASKS = {
    "recent": "Recent",
    "counterfact": "CounterFact",
    "convsent": "ConvSent",
    "questions": "Questions",
}
"""Tasks in the order of tables, and their names in print."""

HELD_OUT = "questions"
"""The task that no training saw, where a network is trained on all others."""

SEEN, EVERY = "seen", "every task"
"""Names of the edits of all tasks but the held-out one, and of all edits together."""

SUCCESS = "success"
"""What the success of edits of all tasks together is called."""

OPINIONS = "convsent"
"""The task whose success is that of opinions, and whose locality asks about another topic."""

REPORTED = {
    "reliability": ("rel_exact", "es"),
    "generalization": ("gen_exact", ""),
    "locality": ("loc_far", "loc_topic"),
    "portability": ("port", ""),
    "fluency": ("", "fluency"),
}
"""Metrics as the InstructEdit paper names them: which of ours each is, of facts and of opinions."""

SHOWN = ("rel_exact", "rel", "gen_exact", "gen", "loc_far", "loc_near", "port", "es", "loc_topic", "fluency")
"""Metrics of a table by task."""


def scores_by_task(inputs: Inputs) -> pd.DataFrame:
    """Scores with the column `task`; raises `NothingToShow` where no edit names one."""
    return with_tasks(inputs.scores(), inputs)


def with_tasks(scores: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """Scores with the task of each edit, from the records of its dataset."""
    tasks = inputs.tasks()
    asked = scores.merge(tasks, on=["dataset", "record"], how="left")
    if asked["task"].isna().any():
        lost = asked[asked["task"].isna()].iloc[0]
        raise DataError(f"{lost['dataset']}: '{lost['record']}' was scored and is not among --records")
    asked = asked[asked["task"] != ""]
    if asked.empty:
        raise NothingToShow("none of these edits names its task")
    return asked


def successes(scores: pd.DataFrame) -> pd.DataFrame:
    """One row for each edit, its success as `value`: of facts `rel_exact`, of opinions `es`."""
    opinion = scores["task"] == OPINIONS
    return scores[(~opinion & (scores["metric"] == "rel_exact")) | (opinion & (scores["metric"] == "es"))]


def groups(scores: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Name and rows of all seen tasks together, and of the held-out one."""
    held_out = scores["task"] == HELD_OUT
    return [(name, rows) for name, rows in ((SEEN, scores[~held_out]), (HELD_OUT, scores[held_out])) if len(rows)]


def in_turn(tasks: Iterable[str]) -> list[str]:
    """Distinct tasks in the order of tables."""
    order = list(TASKS)
    return sorted(set(tasks), key=lambda task: (order.index(task) if task in order else len(order), task))


def task_title(task: str) -> str:
    """A task in print; the held-out one says so."""
    return TASKS.get(task, task) + (" (held out)" if task == HELD_OUT else "")


def variant_of(run_path: Path) -> str:
    """The name of the variant that a run of a study belongs to: the folder that holds those of its seeds."""
    return run_path.parent.parent.name
