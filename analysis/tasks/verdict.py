"""InstructEdit against MEND trained on the same tasks, edit by edit: on seen tasks, on the held-out one, by T."""

from __future__ import annotations

import pandas as pd

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.paired import COMPARED, compare, described
from analysis.sampled import intervals
from analysis.style import editor_style, in_order
from analysis.tasks.by_task import SUCCESS, TASKS, groups, in_turn, scores_by_task, successes, task_title
from analysis.text import markdown, number
from wise.errors import NothingToShow
from wise.evaluate.statistics import ALPHA

SUBJECT = "instructedit"
"""The editor that is compared with every other one."""

KEYS = ["dataset", "model", "tasks", "T", "metric", "editor", "other"]
METRICS_SHOWN = ("gen_exact", "loc_far")
"""What is compared beside the success of edits."""


def table(inputs: Inputs) -> Table:
    """Columns `KEYS`, both means and `COMPARED`; corrected over the rows of a dataset, model and other editor."""
    compared = compare_all(scores_by_task(inputs))
    return Table(compared, to_markdown(compared))


def compare_all(scores: pd.DataFrame) -> pd.DataFrame:
    """Success, generalization and locality of `SUBJECT` minus those of each other editor on the same edits."""
    others = [name for name in in_order(scores["editor"]) if name not in (SUBJECT, "none")]
    if SUBJECT not in set(scores["editor"]) or not others:
        raise NothingToShow(f"these runs have no {SUBJECT}, or nothing to compare it with")
    parts = []
    for (dataset, model), rows in scores.groupby(["dataset", "model"], sort=True):
        for other in others:
            keys, found = [], []
            for place, pair in _cells(rows, other):
                own, comparison = pair
                keys.append((dataset, model, *place, SUBJECT, other, *own))
                found.append(comparison)
            frame = pd.DataFrame(keys, columns=[*KEYS, "mean", "other_mean"])
            parts.append(frame.join(described(found)))
    return pd.concat(parts, ignore_index=True)[[*KEYS, "mean", "other_mean", *COMPARED]]


def _cells(scores: pd.DataFrame, other: str):
    """Every comparison with one editor: its tasks, T and metric; both means and what was found."""
    kinds = [(SUCCESS, successes(scores), "rel_exact")]
    kinds += [(metric, scores[scores["metric"] == metric], metric) for metric in METRICS_SHOWN]
    for name, rows, metric in kinds:
        for (tasks, of_tasks), count in (
            (group, count) for group in [*groups(rows), *_single(rows)] for count in sorted(group[1]["T"].unique())
        ):
            at = of_tasks[of_tasks["T"] == count]
            own, theirs = at[at["editor"] == SUBJECT], at[at["editor"] == other]
            comparison = compare(own, theirs, metric)
            if comparison is not None:
                yield (tasks, count, name), ((own["value"].mean(), theirs["value"].mean()), comparison)


def _single(scores: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Each seen task by itself."""
    return [(task, scores[scores["task"] == task]) for task in in_turn(scores["task"]) if task in list(TASKS)[:-1]]


def to_markdown(compared: pd.DataFrame) -> str:
    """One table for each dataset, model and other editor; bold where the corrected p-value is below 0.05."""
    parts = [
        "Difference on the same edits, above zero where the first editor is better. Success: all target tokens right "
        f"(ConvSent: ES). {intervals(compared)} Bold: p below {ALPHA} after Holm's correction over the rows of a "
        "table; detectable: the true difference that would have been found so with a chance of 80%.\n"
    ]
    for (dataset, model, other), group in compared.groupby(["dataset", "model", "other"], sort=False):
        lines = []
        for row in group.itertuples(index=False):
            text = f"{row.difference:+.3f}"
            lines.append([
                task_title(row.tasks), str(row.T), str(row.metric), number(row.mean), number(row.other_mean),
                f"**{text}**" if row.p_holm < ALPHA else text, f"[{row.low:+.3f}, {row.high:+.3f}]",
                number(row.p_holm, 4), number(row.detectable, 3), str(row.pairs), str(row.seeds),
            ])  # fmt: skip
        own, against = editor_style(SUBJECT).label, editor_style(other).label
        header = ["Tasks", "T", "Metric", own, against, "Difference", "95% interval", "p (Holm)", "Detectable", "Pairs",
                  "Seeds"]  # fmt: skip
        parts += [f"## {own} against {against} on {dataset}, {model}\n", markdown(header, lines, left=3)]
    return "\n".join(parts)
