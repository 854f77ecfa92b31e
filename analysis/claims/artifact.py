"""The ledger of claims as a table, and as a figure of claims by place."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.claims.judge import Verdict
from analysis.claims.ledger import ledger
from analysis.claims.statement import read_claims
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.style import STYLES, WIDTH, editor_style
from analysis.text import escape, markdown, number
from wise.config.levels import LEVELS
from wise.evaluate.metrics import METRICS
from wise.evaluate.statistics import ALPHA

PLACE = ["level", "dataset", "model"]
COLOURS = {
    Verdict.HOLDS: "#B7DFC9",
    Verdict.FAILS: "#F2B8A2",
    Verdict.OPEN: "#F3E7B3",
    Verdict.UNTESTED: "#EEEEEE",
}
"""Fill of a cell by its verdict; the word itself stands in the cell, too."""

WITH_INTERVALS = 3
"""The most columns of a figure whose cells have room for an interval."""

SIGNS = {Verdict.HOLDS: "holds", Verdict.FAILS: "does not", Verdict.OPEN: "open", Verdict.UNTESTED: "–"}


def table(inputs: Inputs) -> Table:
    """The ledger, with the claims that nothing here can test in a list of their own."""
    found = ledger(read_claims(), inputs)
    return Table(found, to_markdown(found), to_latex(found))


def figure(inputs: Inputs) -> Figure:
    """Test the claims and draw the verdicts."""
    return draw(ledger(read_claims(), inputs))


def draw(found: pd.DataFrame) -> Figure:
    """A row for each claim and editor, a column for each level, dataset and model; in a cell verdict and effect.

    A level without scores has an empty column.
    """
    rows = found.drop_duplicates(["claim", "editor"])[["source", "claim", "short", "editor"]]
    cells = found.set_index([*PLACE, "claim", "editor"])
    measured = list(found[PLACE].drop_duplicates().itertuples(index=False, name=None))
    places = [place for level in LEVELS for place in measured if place[0] == level]
    places += [(level, "no scores", "") for level in LEVELS if level not in {place[0] for place in measured}]
    labels: dict[float, str] = {}
    height = 0.0
    made = Figure(figsize=(WIDTH, 0.9 + 0.155 * (len(rows) + 1.2 * rows["source"].nunique())), layout="constrained")
    axes = made.subplots()
    for source in dict.fromkeys(rows["source"]):
        axes.text(0, height + 0.7, f" {source}", fontsize=7, fontweight="bold", va="center")
        height += 1.2
        for row in rows[rows["source"] == source].itertuples(index=False):
            labels[height + 0.5] = row.short + (f" ({editor_style(row.editor).label})" if row.editor else "")
            for column, place in enumerate(places):
                key = (*place, row.claim, row.editor)
                _cell(axes, column, height, cells.loc[key] if key in cells.index else None, len(places))
            height += 1.0
    axes.set(xlim=(0, len(places)), ylim=(height + 0.1, 0))
    axes.set_xticks([index + 0.5 for index in range(len(places))], ["\n".join(place) for place in places], fontsize=7)
    axes.xaxis.tick_top()
    axes.set_yticks(list(labels), list(labels.values()), fontsize=6.3)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom", "top"]].set_visible(False)
    axes.grid(visible=False)
    handles = [Patch(facecolor=colour, label=str(verdict)) for verdict, colour in COLOURS.items()]
    made.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7)
    return made


def to_markdown(found: pd.DataFrame) -> str:
    """How many claims came to what, then for each place what was tested, and what was not and why."""
    parts = [
        "A claim is a test on scores: its effect on the same edits and seeds, the 95% interval, and a p-value that is "
        f"Holm-corrected over the claims of a dataset and model; below {ALPHA} it is decided. Where a claim is about "
        "several T or editors, it holds if all of them are as expected, and the effect is that of the comparison that "
        "decides. Not decided: in brackets the edits that would decide with a chance of 80%.\n",
        _counts(found),
    ]
    for place, group in found.groupby(PLACE, sort=False):
        tested, rest = (group[(group["verdict"] != Verdict.UNTESTED) == wanted] for wanted in (True, False))
        lines = _named_once([_line(row) for row in tested.to_dict("records")])
        header = ["Claim", "Stated in", "Editor", "Effect [95% interval]", "Expected", "p (Holm)", "T", "Edits"]
        header += ["Seeds", "Verdict"]
        parts += [f"## {', '.join(place)}\n", markdown(header, lines, left=3)]
        if len(rest):
            lines = [[_said(row), _stated(row), _who(row), row["reason"]] for row in rest.to_dict("records")]
            lines = _named_once(lines)
            parts += ["Not testable here:\n", markdown(["Claim", "Stated in", "Editor", "Reason"], lines, left=4)]
        failed = tested[(tested["verdict"] == Verdict.FAILS) & (tested["reason"] != "")]
        known = [f"* {_said(row)} ({_who(row)}): {row['reason']}" for row in failed.to_dict("records")]
        parts += ["What is known of those that do not hold:\n", "\n".join(known) + "\n"] if known else []
    return "\n".join(parts)


def to_latex(found: pd.DataFrame) -> str:
    """The claims that were tested, with booktabs."""
    parts = []
    for place, group in found[found["verdict"] != Verdict.UNTESTED].groupby(PLACE, sort=False):
        lines = [
            " & ".join(map(escape, (row["short"], _who(row), _effect(row), number(row["p_holm"], 3), row["verdict"])))
            + r" \\"
            for row in group.to_dict("records")
        ]
        parts += [
            r"\begin{table*}[t]", r"\centering",
            rf"\caption{{Claims tested on {escape(', '.join(place))}.}}",
            r"\begin{tabular}{llrrl}", r"\toprule",
            r"Claim & Editor & Effect [95\% interval] & $p$ (Holm) & Verdict \\", r"\midrule",
            *lines, r"\bottomrule", r"\end{tabular}", r"\end{table*}", "",
        ]  # fmt: skip
    return "\n".join(parts)


def _counts(found: pd.DataFrame) -> str:
    """How many lines came to each verdict, by place."""
    groups = found.groupby([*PLACE], sort=False)["verdict"]
    lines = [
        [", ".join(place), *(str(int((group == verdict).sum())) for verdict in Verdict)] for place, group in groups
    ]
    return markdown(["Level, dataset, model", *map(str, Verdict)], lines)


def _line(row: dict) -> list[str]:
    """A tested claim."""
    counted = ["–" if pd.isna(row[name]) else f"{row[name]:.0f}" for name in ("T", "edits", "seeds")]
    return [
        _said(row), _stated(row), _who(row), _effect(row) + _against(row), row["expected"],
        number(row["p_holm"], 4), *counted, _verdict(row),
    ]  # fmt: skip


def _said(row: dict) -> str:
    return str(row["says"]).rstrip(".")


def _stated(row: dict) -> str:
    return f"{row['source']}, {row['stated']}"


def _named_once(lines: list[list[str]]) -> list[list[str]]:
    """Claim and place only where they differ from the line above."""
    return [
        ["", "", *line[2:]] if index and line[:2] == lines[index - 1][:2] else line for index, line in enumerate(lines)
    ]


def _who(row: dict) -> str:
    label = editor_style(row["editor"]).label if row["editor"] else "–"
    return f"{label}, {row['convention']}" if row["convention"] else label


def _effect(row: dict, digits: int = 3) -> str:
    sign = "+" if row["against"] and not pd.isna(row["p"]) else ""
    form = f"{{:{sign}.{digits}f}}"
    ends = [form.format(row[name]) for name in ("low", "high")]
    return f"{form.format(row['effect'])} [{', '.join(ends)}]"


def _against(row: dict) -> str:
    metric = METRICS[row["metric"]].title if row["metric"] in METRICS else row["metric"].replace("_", " ")
    other = STYLES[row["against"]].label if row["against"] in STYLES else row["against"]
    return f" {metric}" + (f", against {other}" if other else "")


def _verdict(row: dict) -> str:
    if row["verdict"] != Verdict.OPEN:
        return f"**{row['verdict']}**"
    if pd.isna(row["p"]):
        return str(row["verdict"])
    needed = row["edits_needed"]
    return f"{row['verdict']} ({'more than a million' if pd.isna(needed) else f'{needed:,.0f}'})"


def _cell(axes: Axes, column: int, height: float, cell: pd.Series | None, columns: int) -> None:
    """One verdict with its effect, and where there is room the interval; a dash where there are no scores."""
    verdict = Verdict.UNTESTED if cell is None else Verdict(cell["verdict"])
    axes.fill_between([column + 0.01, column + 0.99], height + 0.04, height + 0.96, color=COLOURS[verdict], linewidth=0)
    text = SIGNS[verdict]
    if cell is not None and verdict is not Verdict.UNTESTED:
        effect, ends = _effect(cell.to_dict(), 2).split(" ", 1)
        text += f"  {effect}" + (f" {ends}" if columns <= WITH_INTERVALS else "")
    axes.text(column + 0.5, height + 0.5, text, fontsize=5.8, va="center", ha="center")
