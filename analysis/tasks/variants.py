"""Variants of an editor's training or instruction, task by task: bars, and each variant against the first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from analysis.axes import share_axis, stacked
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.paired import COMPARED, compare, described
from analysis.sampled import bands, intervals
from analysis.style import WIDTH, editor_style, in_order
from analysis.summary import summarise
from analysis.tasks.by_task import OPINIONS, in_turn, task_title, variant_of, with_tasks
from analysis.text import markdown, number, with_interval
from wise.evaluate.metrics import METRICS
from wise.evaluate.statistics import ALPHA, Comparison

BY = ("dataset", "model", "editor", "variant", "task", "T")
BARS = ("rel_exact", "gen_exact", "loc_far", "port")
SHOWN = (*BARS, "rel", "es", "loc_topic")


def table(inputs: Inputs) -> Table:
    """A row for each editor, variant, task, T and metric, with its difference to the first variant."""
    scores = read(inputs)
    cells = with_differences(summarise(scores, SHOWN, BY), scores)
    return Table(cells, to_markdown(cells))


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    scores = read(inputs)
    return draw(summarise(scores, SHOWN, BY), list(dict.fromkeys(scores["variant"])))


def read(inputs: Inputs) -> pd.DataFrame:
    """Scores with the name of their variant and the task of each edit; variants as the configuration orders them."""
    frames = []
    for one in inputs.one_by_one():
        [(scores, _)] = one.by_run()
        frames.append(scores.assign(variant=variant_of(one.run_paths[0])))
    return with_tasks(pd.concat(frames, ignore_index=True), inputs)


def with_differences(cells: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The cells with `COMPARED` (its interval as difference_low and difference_high), none for the first variant.

    The correction is over the rows of one editor and T.
    """
    first = scores["variant"].iloc[0]
    order = {name: place for place, name in enumerate(dict.fromkeys(scores["variant"]))}
    cells = cells.sort_values(
        "variant", key=lambda column: column.map(order), kind="stable", ignore_index=True
    )  # fmt: skip
    keys = [key for key in BY if key != "variant"]
    index = {cell: rows for cell, rows in scores.groupby([*keys, "metric", "variant"])}
    found: dict[tuple, dict[Any, Comparison]] = {}
    for place, cell in cells.iterrows():
        key = tuple(cell[name] for name in (*keys, "metric"))
        if cell["variant"] != first and (*key, first) in index:
            comparison = compare(index[*key, cell["variant"]], index[*key, first], cell["metric"])
            if comparison is not None:
                found.setdefault((cell["editor"], cell["T"]), {})[place] = comparison
    parts = [described(list(family.values())).set_axis(list(family)) for family in found.values()]
    tested = pd.concat(parts) if parts else pd.DataFrame(columns=COMPARED)
    tested = tested.rename(columns={"low": "difference_low", "high": "difference_high"})
    return cells.join(tested.drop(columns=["seeds", "edits", "covers"]))


def to_markdown(cells: pd.DataFrame) -> str:
    """A table for each editor and T, a row for each task and variant; differences to the first variant behind."""
    parts = [
        f"{intervals(cells)} Behind them the difference to the first variant on the same edits; bold: p below {ALPHA} "
        "after Holm's correction over the differences of an editor and T.\n"
    ]
    for (dataset, model, editor, count), group in cells.groupby(["dataset", "model", "editor", "T"], sort=False):
        metrics = [metric for metric in SHOWN if metric in set(group["metric"])]
        index = group.set_index(["task", "variant", "metric"])
        lines = []
        for task in in_turn(group["task"]):
            for variant in dict.fromkeys(group["variant"]):
                keys = [(task, variant, metric) for metric in metrics]
                lines.append(
                    [task_title(task), variant, *(_cell(index.loc[key]) if key in index.index else "–" for key in keys)]
                )
        header = ["Task", "Variant", *(METRICS[metric].title for metric in metrics)]
        parts += [
            f"## {editor_style(editor).label} on {dataset}, {model}, T={count}\n",
            markdown(header, lines, left=2),
        ]
    return "\n".join(parts)


def _cell(cell: pd.Series) -> str:
    text = with_interval(cell["mean"], cell["low"], cell["high"])
    if pd.isna(cell["difference"]):
        return text
    shown = f"{number(cell['difference'], 3)}" if cell["difference"] < 0 else f"+{number(cell['difference'], 3)}"
    return f"{text} ({f'**{shown}**' if cell['p_holm'] < ALPHA else shown})"


def draw(cells: pd.DataFrame, variants: list[str]) -> Figure:
    """A strip for each editor and T, a panel for each metric: bars by task, one shade for each variant."""
    strips_of = [(editor, count) for editor in in_order(cells["editor"]) for count in sorted(cells["T"].unique())]
    titles = [f"{editor_style(editor).label}, T={count:,}" for editor, count in strips_of]
    made, strips = stacked(titles, WIDTH, 2.2)
    shades = colormaps["viridis"](np.linspace(0.1, 0.85, len(variants)))
    tasks = in_turn(cells["task"])
    metrics = [metric for metric in BARS if _bars(cells, metric)["mean"].notna().any()]
    for strip, (editor, count) in zip(strips, strips_of, strict=True):
        own = cells[(cells["editor"] == editor) & (cells["T"] == count)]
        for axes, metric in zip(strip.subplots(1, len(metrics), sharey=True), metrics, strict=True):
            for place, (variant, shade) in enumerate(zip(variants, shades, strict=True)):
                bars = _bars(own[own["variant"] == variant], metric).reindex(tasks)
                x = np.arange(len(tasks)) + (place - (len(variants) - 1) / 2) * 0.8 / len(variants)
                error = np.clip([bars["mean"] - bars["low"], bars["high"] - bars["mean"]], 0, None)
                axes.bar(x, bars["mean"], 0.74 / len(variants), color=shade, label=variant, yerr=error,
                         error_kw={"elinewidth": 0.7, "ecolor": "#333333"})  # fmt: skip
            axes.set_xticks(range(len(tasks)), map(task_title, tasks), fontsize=6, rotation=25, ha="right")
            axes.set_title(METRICS[metric].title + (" / ES" if metric == "rel_exact" else ""), fontsize=8)
            axes.grid(visible=False, axis="x")
            share_axis(axes)
    handles, labels = made.axes[0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower center", ncols=len(labels), title=f"bars: {bands(cells)}")
    return made


def _bars(cells: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Cells of a metric by task; of opinions those that stand for it."""
    instead = {"rel_exact": "es", "loc_far": "loc_topic"}.get(metric, metric)
    opinions = cells["task"] == OPINIONS
    rows = cells[(~opinions & (cells["metric"] == metric)) | (opinions & (cells["metric"] == instead))]
    return rows.set_index("task")
