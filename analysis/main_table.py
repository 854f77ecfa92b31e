"""The main comparison in the layout of the paper's Tables 2, 4 and 5: headline metrics by T for every editor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.sampled import intervals, sampled
from analysis.style import editor_style, in_order, settings
from analysis.summary import summarise
from analysis.task_type import HEADINGS, Setting, by_setting
from analysis.text import escape, markdown, number, with_interval
from analysis.unasked import unasked
from wise.evaluate.metrics import METRICS
from wise.evaluate.protocol import COLUMNS, RETENTION, described

CSV_METRICS = tuple(name for name, metric in METRICS.items() if metric.role != "kept")
"""What the table holds."""

BASELINE = "none"
"""The unedited model: it keeps all locality by doing nothing, so it does not compete for the best number."""


def table(inputs: Inputs) -> Table:
    """CSV with the columns of `analysis.summary` and those of the protocol; Markdown and LaTeX from it."""
    scores, records = inputs.scores(), inputs.records()
    cells = with_protocol(cells_of(scores), records)
    return Table(cells, to_markdown(cells, scores, unasked(records)), to_latex(cells, scores))


def with_protocol(cells: pd.DataFrame, records: Sequence[Mapping[str, Any]], moment: str = RETENTION) -> pd.DataFrame:
    """Cells with the columns of `wise.evaluate.protocol`: how each number was asked for, when, and scored."""
    free = {(run["dataset"], run["model"], run["editor"]): run.get("generation") for run in records}
    rows = cells[["dataset", "model", "editor", "metric"]].itertuples(index=False, name=None)
    said = [described(metric, free.get((*place,)), moment) for *place, metric in rows]
    return cells.join(pd.DataFrame(said, index=cells.index, columns=list(COLUMNS)))


def cells_of(scores: pd.DataFrame) -> pd.DataFrame:
    """Means with intervals of `CSV_METRICS`, of the averages only that of the dataset's setting."""
    parts = []
    for _, setting, rows in by_setting(scores):
        kept = [name for name in CSV_METRICS if HEADINGS.get(name) != "Avg" or name in setting.headline]
        parts.append(summarise(rows, kept))
    return pd.concat(parts, ignore_index=True)


def best_cells(cells: pd.DataFrame) -> set[tuple]:
    """Keys (editor, T, metric) of the best rounded mean of each (T, metric); ties are all best."""
    best = set()
    for (_, metric), group in cells[cells["editor"] != BASELINE].groupby(["T", "metric"]):
        shown = group["mean"].round(2)
        top = shown.max() if METRICS[metric].direction == "higher" else shown.min()
        best |= set(group.loc[shown == top, ["editor", "T", "metric"]].itertuples(index=False, name=None))
    return best


def to_markdown(
    cells: pd.DataFrame, scores: pd.DataFrame, left_out: Mapping[tuple[str, str], str] | None = None
) -> str:
    """The headline metrics by T, then every other metric at the largest T, for each dataset and model.

    `left_out` are sentences to be added, by dataset and model (`analysis.unasked`).
    """
    parts, notes = [], _notes(cells, scores)
    for title, setting, group in by_setting(cells):
        counts = sorted(group["T"].unique())
        by_t = [(t, metric) for t in counts for metric in setting.headline]
        others = [metric for metric in CSV_METRICS if metric not in setting.headline]
        last = [(counts[-1], metric) for metric in others if metric in set(group["metric"])]
        lower = "; PPL: lower is better" if "ppl" in setting.headline else ""
        parts += [
            f"## {title}\n",
            f"Mean and 95% interval {notes[title]} Best mean in bold{lower}.\n",
            _grid(group, by_t, [f"T={t} {HEADINGS[metric]}" for t, metric in by_t]),
            f"The other metrics at T={counts[-1]}:\n",
            _grid(group, last, [METRICS[metric].title for _, metric in last]),
        ]
        key = group["dataset"].iloc[0], group["model"].iloc[0]
        parts += [left_out[key]] if left_out and key in left_out else []
    return "\n".join(parts)


def to_latex(cells: pd.DataFrame, scores: pd.DataFrame) -> str:
    """One booktabs `table*` per dataset and model; needs the packages booktabs and graphicx."""
    notes = _notes(cells, scores)
    return "\n".join(_latex_table(title, setting, group, notes[title]) for title, setting, group in by_setting(cells))


def _notes(cells: pd.DataFrame, scores: pd.DataFrame) -> dict[str, str]:
    """What means are taken over and intervals cover, by the title of each dataset and model."""
    both = zip(settings(scores), settings(cells), strict=True)
    return {title: f"over {sampled(rows)}. {intervals(shown)}" for (title, rows), (_, shown) in both}


def _grid(cells: pd.DataFrame, columns: list[tuple], headings: list[str]) -> str:
    best, index = best_cells(cells), cells.set_index(["editor", "T", "metric"])
    rows = []
    for editor in in_order(cells["editor"]):
        row = [editor_style(editor).label]
        for t, metric in columns:
            if (editor, t, metric) not in index.index:
                row.append("–")
                continue
            cell = index.loc[(editor, t, metric)]
            text = with_interval(cell["mean"], cell["low"], cell["high"])
            row.append(f"**{text}**" if (editor, t, metric) in best else text)
        rows.append(row)
    return markdown(["Editor", *headings], rows)


def _latex_table(title: str, setting: Setting, cells: pd.DataFrame, note: str) -> str:
    counts = sorted(cells["T"].unique())
    shown = setting.headline
    best, index = best_cells(cells), cells.set_index(["editor", "T", "metric"])
    groups = " & ".join(rf"\multicolumn{{{len(shown)}}}{{c}}{{$T={t}$}}" for t in counts)
    rules = "".join(
        rf"\cmidrule(lr){{{2 + i * len(shown)}-{1 + (i + 1) * len(shown)}}}" for i in range(len(counts))
    )  # fmt: skip
    lines = [
        r"\begin{table*}[t]",
        r"\centering",
        rf"\caption{{Lifelong editing, {escape(title)}: {setting.in_words()} after $T$ edits; "
        rf"mean and 95\% interval {escape(note)} Best mean in bold.}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{l{'c' * len(shown) * len(counts)}}}",
        r"\toprule",
        rf" & {groups} \\",
        rules,
        rf"Editor & {' & '.join(HEADINGS[metric] for _ in counts for metric in shown)} \\",
        r"\midrule",
    ]
    for editor in in_order(cells["editor"]):
        row = [escape(editor_style(editor).label)]
        for key in ((editor, t, metric) for t in counts for metric in shown):
            row.append(_latex_cell(index.loc[key], key in best) if key in index.index else "--")
        lines.append(" & ".join(row) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table*}", ""])


def _latex_cell(cell: pd.Series, best: bool) -> str:
    mean = number(cell["mean"])
    ends = f"[{number(cell['low'])}, {number(cell['high'])}]"
    return (rf"\textbf{{{mean}}}" if best else mean) + rf" {{\scriptsize {ends}}}"
