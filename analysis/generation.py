"""Teacher-forced against freely generated answers, by when and on what the router decides.

"The Mirage of Model Editing" (ACL 2025) measured WISE's fall from one to the other: `PUBLISHED`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.axes import stacked
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.sampled import bands, intervals
from analysis.style import WIDTH, editor_style, in_order
from analysis.summary import summarise
from analysis.text import escape, markdown, number, with_interval
from wise.errors import DataError
from wise.evaluate.metrics import METRICS

BARS = {"rel_exact": ("teacher forced", "#4477AA"), "rel_generated": ("freely generated", "#EE6677")}
"""Label and colour of each metric."""

PUBLISHED = {"rel_exact": 0.999, "rel_generated": 0.139}
"""WISE as "The Mirage of Model Editing" reports it; another model and other data, for the fall and not the height."""

SETTINGS = {"routing": "options.routing", "positions": "options.positions", "threshold": "options.threshold"}
VARIANT = tuple(SETTINGS)
BY = ("dataset", "model", "T", "editor", *VARIANT)
WHEN = {"prefill": "once", "per_step": "each step"}
WHERE = {
    "last": "last token",
    "answer": "answer tokens",
    "prompt": "mean of prompt",
    "tokens": "mean of text",
    "padded": "mean with padding",
}


def table(inputs: Inputs) -> Table:
    """Long CSV (columns of `BY` and of `analysis.summary`), and a row for every variant in Markdown and LaTeX."""
    cells = by_variant(inputs)
    return Table(cells, to_markdown(cells), to_latex(cells))


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    return draw(by_variant(inputs))


def by_variant(inputs: Inputs) -> pd.DataFrame:
    """Means with intervals by editor and routing, which is that of each file's run record.

    Raises `DataError` where nothing was generated, and for two runs of an editor and a seed that route alike.
    """
    scores = inputs.ablation(**SETTINGS)
    if "rel_generated" not in set(scores["metric"]):
        raise DataError("this study compares with generated answers; these scores have none")
    example = [*BY, "seed", "chunk", "edit", "metric"]
    twice = scores[scores.duplicated(example)]
    if len(twice):
        named = ", ".join(twice.iloc[0][["dataset", "editor", *VARIANT]])
        raise DataError(f"two runs have the same routing ({named}): variants must differ in {', '.join(VARIANT)}")
    return summarise(scores, tuple(BARS), by=BY)


OF_PROMPTS = ("current", "between")
"""Thresholds that are set at the last tokens of prompts, so that a score of the last token goes without saying it."""


def variant_label(routing: str, positions: str, threshold: str) -> str:
    """When the router decides and which tokens its score looks at, in two lines; other thresholds in a third."""
    lines = [WHEN[routing], WHERE[positions]]
    return "\n".join(
        lines if (threshold in OF_PROMPTS) == (positions == "last") else [*lines, f"{threshold} threshold"]
    )


def draw(cells: pd.DataFrame) -> Figure:
    """A strip for each dataset and model with a panel for each T; the published numbers as dashed lines."""
    groups = list(cells.groupby(["dataset", "model"], sort=True))
    counts = sorted(cells["T"].unique())
    made, strips = stacked([f"{dataset}, {model}" for (dataset, model), _ in groups], WIDTH * 1.25, 2.9)
    for strip, (_, group) in zip(strips, groups, strict=True):
        panels = strip.subplots(1, len(counts), sharey=True, squeeze=False)[0]
        for axes, count in zip(panels, counts, strict=True):
            _bars(axes, group[group["T"] == count])
            axes.set_title(f"T={count:,}")
        panels[0].set_ylabel(f"edits answered exactly\n{bands(group)}")
        strip.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return made


def to_markdown(cells: pd.DataFrame) -> str:
    """One table per dataset and model: a row for each T, editor and variant."""
    parts = []
    for (dataset, model), group in cells.groupby(["dataset", "model"], sort=True):
        header = ["T", "Editor", "Router decides", "Router looks at", *(METRICS[metric].title for metric in BARS)]
        rows = _rows(group, with_interval)
        parts += [f"## {dataset}, {model}\n", f"{intervals(group)}\n", markdown(header, rows, left=4)]
    published = ", ".join(f"{METRICS[metric].title} {value:.3f}" for metric, value in PUBLISHED.items())
    return "\n".join([*parts, f"Published for WISE by The Mirage of Model Editing: {published}.\n"])


def to_latex(cells: pd.DataFrame) -> str:
    """One booktabs `table` per dataset and model; needs the package booktabs."""
    return "\n".join(_latex(key, group) for key, group in cells.groupby(["dataset", "model"], sort=True))


def _variants(cells: pd.DataFrame) -> list[tuple[str, ...]]:
    """Editor and routing of each group of bars: editors in the order of figures, the steadiest routing first."""
    rank = {name: index for index, name in enumerate(in_order(cells["editor"]))}
    places = [*WHEN], [*WHERE]
    found = cells[["editor", *VARIANT]].drop_duplicates().itertuples(index=False, name=None)
    return sorted(found, key=lambda v: (rank[v[0]], places[0].index(v[1]), places[1].index(v[2]), v[3]))


def _bars(axes: Axes, cells: pd.DataFrame) -> None:
    """Grouped bars with 95% intervals, a group for each editor and variant."""
    variants = _variants(cells)
    at = np.arange(len(variants)) + 0.35 * np.array([in_order(cells["editor"]).index(v[0]) for v in variants])
    wide = cells.set_index(["editor", *VARIANT, "metric"])
    width = 0.8 / len(BARS)
    for index, (metric, (label, colour)) in enumerate(BARS.items()):
        values = wide.reindex([(*variant, metric) for variant in variants])
        x = at + (index - (len(BARS) - 1) / 2) * width
        error = [values["mean"] - values["low"], values["high"] - values["mean"]]
        axes.bar(x, values["mean"], width * 0.92, color=colour, label=label, yerr=error,
                 error_kw={"elinewidth": 0.8, "ecolor": "#333333"})  # fmt: skip
    for metric, value in PUBLISHED.items():
        label, colour = BARS[metric]
        axes.axhline(value, color=colour, linestyle="--", linewidth=1.0, label=f"{label}, published ({value:.3f})")
    axes.set_xticks(at, [variant_label(*variant[1:]) for variant in variants], fontsize=6)
    for editor in in_order(cells["editor"]):
        middle = float(np.mean([x for x, variant in zip(at, variants, strict=True) if variant[0] == editor]))
        axes.text(middle, 1.06, editor_style(editor).label, ha="center", fontsize=7.5)
    axes.grid(visible=False, axis="x")
    axes.set_ylim(0, 1.14)
    axes.set_yticks(np.linspace(0, 1, 6))


def _rows(cells: pd.DataFrame, form) -> list[list[str]]:
    """Cells of a table in words, a row for each T, editor and variant."""
    wide = cells.set_index(["T", "editor", *VARIANT, "metric"])[["mean", "low", "high"]]
    rows = []
    for count in sorted(cells["T"].unique()):
        for variant in _variants(cells[cells["T"] == count]):
            means = [form(*wide.loc[(count, *variant, metric)]) for metric in BARS]
            when, where, *rest = variant_label(*variant[1:]).split("\n")
            rows.append([str(count), editor_style(variant[0]).label, when, ", ".join([where, *rest]), *means])
    return rows


def _latex(key: tuple[str, str], cells: pd.DataFrame) -> str:
    def form(mean: float, low: float, high: float) -> str:
        return rf"{number(mean)} {{\tiny [{number(low)}, {number(high)}]}}"

    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{Teacher-forced against freely generated answers to edit prompts, {escape(', '.join(key))}. "
        rf"{escape(intervals(cells))}}}",
        r"\begin{tabular}{rlllcc}",
        r"\toprule",
        rf"$T$ & Editor & Router decides & Router looks at & {' & '.join(METRICS[metric].title for metric in BARS)} \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in _rows(cells, form)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join([*lines, ""])
