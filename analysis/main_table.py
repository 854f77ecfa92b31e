"""The main comparison in the layout of the paper's Table 2: Rel, Gen, Loc and Avg by T for every editor."""

from __future__ import annotations

import pandas as pd

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.style import editor_style, in_order, settings
from analysis.summary import summarise
from analysis.text import escape, markdown, number, with_interval
from wise.evaluate.metrics import METRICS

CSV_METRICS = (
    "rel", "gen", "loc_far", "loc_near", "avg", "port", "rel_exact", "gen_exact", "rel_generated", "ppl", "ood"
)  # fmt: skip
SHOWN = ("rel", "gen", "loc_far", "avg")
HEADINGS = {"rel": "Rel", "gen": "Gen", "loc_far": "Loc", "avg": "Avg"}
BASELINE = "none"
"""The unedited model: it keeps all locality by doing nothing, so it does not compete for the best number."""


def table(inputs: Inputs) -> Table:
    """CSV with the columns dataset, model, editor, T, metric, mean, low, high, seeds; Markdown and LaTeX from it."""
    scores = inputs.scores()
    cells = summarise(scores, CSV_METRICS)
    seeds = sorted(scores["seed"].unique())
    return Table(cells, to_markdown(cells, seeds), to_latex(cells, seeds))


def best_cells(cells: pd.DataFrame) -> set[tuple]:
    """Keys (editor, T, metric) of the best rounded mean of each (T, metric); ties are all best."""
    best = set()
    for (_, metric), group in cells[cells["editor"] != BASELINE].groupby(["T", "metric"]):
        shown = group["mean"].round(2)
        top = shown.max() if METRICS[metric].direction == "higher" else shown.min()
        best |= set(group.loc[shown == top, ["editor", "T", "metric"]].itertuples(index=False, name=None))
    return best


def to_markdown(cells: pd.DataFrame, seeds: list[int]) -> str:
    """Rel, Gen, Loc, Avg by T, then every other metric at the largest T, for each dataset and model."""
    parts = []
    for title, group in settings(cells):
        counts = sorted(group["T"].unique())
        by_t = [(t, metric) for t in counts for metric in SHOWN]
        last = [(counts[-1], metric) for metric in CSV_METRICS if metric not in SHOWN]
        parts += [
            f"## {title}\n",
            f"Mean ± half the 95% interval over {_count(seeds)} and their edits; best in bold.\n",
            _grid(group, by_t, [f"T={t} {HEADINGS[metric]}" for t, metric in by_t]),
            f"The other metrics at T={counts[-1]}:\n",
            _grid(group, last, [METRICS[metric].title for _, metric in last]),
        ]
    return "\n".join(parts)


def to_latex(cells: pd.DataFrame, seeds: list[int]) -> str:
    """One booktabs `table*` per dataset and model; needs the packages booktabs and graphicx."""
    return "\n".join(_latex_table(title, group, seeds) for title, group in settings(cells))


def _grid(cells: pd.DataFrame, columns: list[tuple], headings: list[str]) -> str:
    best, index = best_cells(cells), cells.set_index(["editor", "T", "metric"])
    kept = [(key, heading) for key, heading in zip(columns, headings, strict=True) if (cells["metric"] == key[1]).any()]
    rows = []
    for editor in in_order(cells["editor"]):
        row = [editor_style(editor).label]
        for t, metric in (key for key, _ in kept):
            if (editor, t, metric) not in index.index:
                row.append("–")
                continue
            cell = index.loc[(editor, t, metric)]
            text = with_interval(cell["mean"], cell["low"], cell["high"])
            row.append(f"**{text}**" if (editor, t, metric) in best else text)
        rows.append(row)
    return markdown(["Editor", *(heading for _, heading in kept)], rows)


def _latex_table(title: str, cells: pd.DataFrame, seeds: list[int]) -> str:
    counts = sorted(cells["T"].unique())
    best, index = best_cells(cells), cells.set_index(["editor", "T", "metric"])
    groups = " & ".join(rf"\multicolumn{{{len(SHOWN)}}}{{c}}{{$T={t}$}}" for t in counts)
    rules = "".join(
        rf"\cmidrule(lr){{{2 + i * len(SHOWN)}-{1 + (i + 1) * len(SHOWN)}}}" for i in range(len(counts))
    )  # fmt: skip
    lines = [
        r"\begin{table*}[t]",
        r"\centering",
        rf"\caption{{Lifelong editing, {escape(title)}: reliability (Rel), generalization (Gen), locality (Loc) and "
        rf"their mean (Avg) after $T$ edits; mean $\pm$ half the 95\% interval over {_count(seeds)} and their edits, "
        r"best in bold.}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{l{'cccc' * len(counts)}}}",
        r"\toprule",
        rf" & {groups} \\",
        rules,
        rf"Editor & {' & '.join(HEADINGS[metric] for _ in counts for metric in SHOWN)} \\",
        r"\midrule",
    ]
    for editor in in_order(cells["editor"]):
        row = [escape(editor_style(editor).label)]
        for key in ((editor, t, metric) for t in counts for metric in SHOWN):
            row.append(_latex_cell(index.loc[key], key in best) if key in index.index else "--")
        lines.append(" & ".join(row) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table*}", ""])


def _latex_cell(cell: pd.Series, best: bool) -> str:
    mean = number(cell["mean"])
    half = number((cell["high"] - cell["low"]) / 2)
    return (rf"\textbf{{{mean}}}" if best else mean) + rf" {{\scriptsize$\pm${half}}}"


def _count(seeds: list[int]) -> str:
    return f"{len(seeds)} seeds ({', '.join(map(str, seeds))})" if len(seeds) > 1 else f"one seed ({seeds[0]})"
