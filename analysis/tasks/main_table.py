"""Every editor on every task, beside the cells that the InstructEdit paper prints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.axes import share_axis
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.sampled import bands, intervals
from analysis.style import WIDTH, editor_style, in_order
from analysis.summary import summarise
from analysis.tasks.by_task import OPINIONS, REPORTED, SHOWN, in_turn, scores_by_task, task_title
from analysis.text import escape, markdown, number, with_interval
from wise.evaluate.metrics import METRICS

PUBLISHED = Path(__file__).with_name("published.csv")
"""Columns source, task, model, editor, metric, value and edited; shares, fluency as printed."""

TITLES = {"portability": "Port", "fluency": "Fluency"}
"""Headings of metrics that are not their first three letters."""

BY = ("dataset", "model", "task", "editor", "T")
COLUMNS = [*BY, "metric", "mean", "low", "high", "seeds", "edits", "covers", "reported_as", "GPT2-XL", "Llama-2"]

NOTE = (
    "Rel and Gen are shares of edits of which every token of the target is right, as the printed ones must be; Rel of "
    "ConvSent is its edit success, and Loc the agreement of the unedited and the edited model on another topic. "
    "Fluency is the n-gram entropy of 100 tokens written behind the edited question; compare it with the unedited row, "
    "since the model and the length of the text set its level. "
    "Printed: the InstructEdit paper (arXiv:2402.16123), GPT2-XL / Llama-2, single edits. There, FT-L, CaliNet and "
    "GRACE edited none of the held-out facts: in brackets. Here every editor edits every fact that it is asked about.\n"
)


def table(inputs: Inputs) -> Table:
    """A row for each task, editor, T and metric; `reported_as` and the columns behind it are of the paper, at T = 1."""
    cells = beside(summarise(scores_by_task(inputs), SHOWN, BY), read_published())
    return Table(cells, to_markdown(cells), to_latex(cells))


def figure(inputs: Inputs) -> Figure:
    """Success by task and T, one line for each editor."""
    return draw(summarise(scores_by_task(inputs), ("rel_exact", "es"), BY))


def read_published() -> pd.DataFrame:
    """The printed cells."""
    return pd.read_csv(PUBLISHED, keep_default_na=False)


def beside(cells: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The cells with the paper's name of their metric, and its numbers for both of its models."""
    names = {(True, opinions): name for name, (_, opinions) in REPORTED.items() if opinions}
    names |= {(False, facts): name for name, (facts, _) in REPORTED.items() if facts}
    of_opinions = cells["task"] == OPINIONS
    cells = cells.assign(
        reported_as=[names.get(key, "") for key in zip(of_opinions, cells["metric"], strict=True)],
    )
    printed = published.pivot(index=["task", "editor", "metric"], columns="model", values="value")
    found = cells.merge(
        printed.reset_index().rename(columns={"metric": "reported_as"}),
        on=["task", "editor", "reported_as"],
        how="left",
    )
    found.loc[found["T"] != 1, list(printed.columns)] = np.nan
    return found.reindex(columns=COLUMNS)


def to_markdown(cells: pd.DataFrame) -> str:
    """For each dataset and model one table by task: single edits beside the printed ones, then each larger T."""
    parts = [NOTE, f"{intervals(cells)}\n"]
    unedited = _not_edited()
    for (dataset, model), group in cells.groupby(["dataset", "model"], sort=True):
        parts.append(f"## {dataset}, {model}\n")
        for task in in_turn(group["task"]):
            parts += [f"### {task_title(task)}\n", _by_editor(group[group["task"] == task], unedited)]
    return "\n".join(parts)


def _by_editor(cells: pd.DataFrame, unedited: set[tuple[str, str]]) -> str:
    reported = [name for name in REPORTED if name in set(cells["reported_as"])]
    counts = sorted(cells["T"].unique())
    header = ["Editor"]
    for name in reported:
        title = TITLES.get(name, name[:3].capitalize())
        header += [*(f"T={count} {title}" for count in counts), f"printed {title}"]
    lines = []
    index = cells.set_index(["editor", "reported_as", "T"])
    for editor in in_order(cells["editor"]):
        line = [editor_style(editor).label]
        for name in reported:
            for count in counts:
                key = (editor, name, count)
                cell = index.loc[key, ["mean", "low", "high"]] if key in index.index else None
                line.append("–" if cell is None else with_interval(*cell, digits=digits_of(name)))
            first = (editor, name, counts[0])
            known = (cells["task"].iloc[0], editor) in unedited
            line.append(_printed(index.loc[first], known) if first in index.index else "–")
        lines.append(line)
    return markdown(header, lines)


def digits_of(metric: str) -> int:
    """Decimals of a metric: fluency is in hundreds, all others are shares."""
    return 0 if metric == "fluency" else 2


def _printed(cell: pd.Series, unedited: bool) -> str:
    shown = " / ".join(number(cell[model], digits_of(cell["metric"])) for model in ("GPT2-XL", "Llama-2"))
    return f"[{shown}]" if unedited else shown


def _not_edited() -> set[tuple[str, str]]:
    published = read_published()
    rows = published[(published["edited"] == "no") & (published["editor"] != "none")]
    return set(rows[["task", "editor"]].itertuples(index=False, name=None))


def to_latex(cells: pd.DataFrame) -> str:
    """Single edits by task, with booktabs: means, and the printed GPT2-XL numbers in parentheses."""
    parts = []
    for (dataset, model), group in cells[cells["T"] == cells["T"].min()].groupby(["dataset", "model"], sort=True):
        editors = in_order(group["editor"])
        lines = []
        for task in in_turn(group["task"]):
            rows = group[group["task"] == task].set_index(["reported_as", "editor"])
            for name in (name for name in REPORTED if name in rows.index.get_level_values(0)):
                shown = [
                    _latex(rows.loc[(name, editor)]) if (name, editor) in rows.index else "--" for editor in editors
                ]
                lines.append(" & ".join([escape(task_title(task)), name.capitalize(), *shown]) + r" \\")
        parts += [
            r"\begin{table*}[t]", r"\centering",
            rf"\caption{{Editors by task on {escape(f'{dataset}, {model}')}, single edits; in parentheses the printed "
            r"numbers of GPT2-XL.}", r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{ll{'c' * len(editors)}}}", r"\toprule",
            " & ".join(["Task", "Metric", *(escape(editor_style(editor).label) for editor in editors)]) + r" \\",
            r"\midrule", *lines, r"\bottomrule", r"\end{tabular}}", r"\end{table*}", "",
        ]  # fmt: skip
    return "\n".join(parts)


def _latex(cell: pd.Series) -> str:
    digits = digits_of(cell["metric"])
    printed = "" if pd.isna(cell["GPT2-XL"]) else f" ({number(cell['GPT2-XL'], digits)})"
    return f"{number(cell['mean'], digits)}{printed}"


def draw(cells: pd.DataFrame) -> Figure:
    """A panel for each task: the success of single edits and of each T in sequence."""
    cells = cells[(cells["metric"] == "es") == (cells["task"] == OPINIONS)]
    tasks, editors = in_turn(cells["task"]), in_order(cells["editor"])
    counts = sorted(cells["T"].unique())
    made = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    for axes, task in zip(made.subplots(1, len(tasks), sharey=True, squeeze=False)[0], tasks, strict=True):
        for editor in editors:
            line = cells[(cells["task"] == task) & (cells["editor"] == editor)].set_index("T").reindex(counts)
            style = editor_style(editor)
            error = np.clip([line["mean"] - line["low"], line["high"] - line["mean"]], 0, None)
            axes.errorbar(range(len(counts)), line["mean"], yerr=error, color=style.colour, marker=style.marker,
                          linestyle=style.line, label=style.label, elinewidth=0.8)  # fmt: skip
        axes.set_xticks(range(len(counts)), [f"{count:,}" for count in counts])
        axes.set_xlabel("edits T")
        axes.set_title(task_title(task), fontsize=8)
        share_axis(axes)
    made.axes[0].set_ylabel(f"{METRICS['rel_exact'].title}; ConvSent: {METRICS['es'].title}")
    handles, labels = made.axes[0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower center", ncols=len(labels), title=f"bars: {bands(cells)}")
    return made
