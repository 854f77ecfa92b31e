"""What the search of each editor's options found: best and default score, time, sensitivity, and every trial."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.axes import stacked
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.style import WIDTH, editor_style, in_order, setting_title, settings
from analysis.text import markdown, number
from wise.tuning.outcome import Outcome, Trial, digest, scored

COLUMNS = 5
"""Panels in a row of the figure."""

UNFINISHED = "#777777"
"""Colour of trials without a score."""


def table(inputs: Inputs) -> Table:
    """A row for each search."""
    found = _ordered(inputs.searches())
    frame = pd.DataFrame([_row(outcome) for outcome in found])
    return Table(frame, to_markdown(frame))


def _row(outcome: Outcome) -> dict[str, object]:
    states = [trial.state for trial in outcome.trials]
    return {
        "dataset": outcome.dataset,
        "model": outcome.model,
        "editor": outcome.editor,
        "best": _score(outcome.best),
        "defaults": _score(outcome.by("defaults")),
        "published": _score(outcome.by("published")),
        "sensitivity": np.nan if outcome.sensitivity is None else outcome.sensitivity,
        **{state: states.count(state) for state in ("complete", "pruned", "failed")},
        "seconds": outcome.seconds,
        "found_at": np.nan if outcome.best is None else outcome.best.number + 1,
        "digest": digest(outcome.search),
    }


def to_markdown(frame: pd.DataFrame) -> str:
    """A table for each dataset and model."""
    parts = [
        "The same number of trials for every editor, on development edits. Best, defaults, published: mean of Avg over "
        "the T of the search. Sensitivity: the best score less the tenth best. Seconds: all trials, on one core of the "
        "machine that made them.\n"
    ]
    header = ["Editor", "Best", "Defaults", "Published", "Sensitivity", "Complete", "Pruned", "Failed", "Seconds"]
    for title, group in settings(frame):
        lines = [
            [
                editor_style(row["editor"]).label,
                *(number(row[name], 3) for name in ("best", "defaults", "published", "sensitivity")),
                *(str(row[name]) for name in ("complete", "pruned", "failed")),
                number(row["seconds"], 0),
            ]
            for row in group.to_dict("records")
        ]
        parts += [f"## {title}\n", markdown(header, lines)]
    return "\n".join(parts)


def figure(inputs: Inputs) -> Figure:
    """A strip for each dataset and model with a panel for each editor."""
    found = _ordered(inputs.searches())
    places = list(dict.fromkeys((outcome.dataset, outcome.model) for outcome in found))
    groups = [[outcome for outcome in found if (outcome.dataset, outcome.model) == place] for place in places]
    rows = [-(-len(group) // COLUMNS) for group in groups]
    made, strips = stacked([setting_title(*place) for place in places], WIDTH, [1.0 + 1.25 * count for count in rows])
    for strip, group, count in zip(strips, groups, rows, strict=True):
        grid = strip.subplots(count, COLUMNS, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(grid.ravel()):
            if place >= len(group):
                axes.set_axis_off()
                continue
            _panel(axes, group[place])
            last = place + COLUMNS >= len(group)
            axes.tick_params(labelbottom=last)
            axes.set_xlabel("trial" if last else "")
        for line in grid:
            line[0].set_ylabel("mean of Avg")
        strip.legend(handles=_handles(), loc="outside lower center", ncols=5, handlelength=2.2)
    return made


def _panel(axes: Axes, outcome: Outcome) -> None:
    """Scores by trial, and the best so far."""
    colour, complete = editor_style(outcome.editor).colour, [t for t in outcome.trials if t.score is not None]
    numbers = [trial.number + 1 for trial in outcome.trials]
    best = list(accumulate((-np.inf if trial.score is None else trial.score for trial in outcome.trials), max))
    axes.step(numbers, np.where(np.isfinite(best), best, np.nan), where="post", color=colour, linewidth=1.2)
    default = outcome.by("defaults")
    if default is not None:
        axes.axhline(scored(default), color=colour, linestyle=(0, (3, 2)), linewidth=0.8)
    for origin, filled in (("search", True), ("defaults", True), ("published", False)):
        shown = [trial for trial in complete if trial.origin == origin]
        if not shown:  # a line of nothing that is not clipped lies in the figure's corner, and spoils the layout
            continue
        axes.plot([trial.number + 1 for trial in shown], [scored(trial) for trial in shown], "o", markersize=3,
                  color=colour, markerfacecolor=colour if filled else "white", clip_on=False)  # fmt: skip
    for state, marker in (("pruned", "|"), ("failed", "x")):
        there = [trial.number + 1 for trial in outcome.trials if trial.state == state]
        if there:
            axes.plot(there, [0.02] * len(there), marker, markersize=3.5, color=UNFINISHED, clip_on=False)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1])
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_title(editor_style(outcome.editor).label, fontsize=8)


def _handles() -> list[Line2D]:
    dark = "#333333"
    return [
        Line2D([], [], color=dark, marker="o", markersize=3, linewidth=1.2, label="trials, best so far"),
        Line2D([], [], color=dark, linestyle=(0, (3, 2)), linewidth=0.8, label="defaults"),
        Line2D([], [], color=dark, marker="o", markersize=3, markerfacecolor="white", linestyle="", label="published"),
        Line2D([], [], color=UNFINISHED, marker="|", linestyle="", label="pruned"),
        Line2D([], [], color=UNFINISHED, marker="x", markersize=3.5, linestyle="", label="failed"),
    ]


def _ordered(found: list[Outcome]) -> list[Outcome]:
    rank = {name: index for index, name in enumerate(in_order(outcome.editor for outcome in found))}
    return sorted(found, key=lambda outcome: (outcome.dataset, outcome.model, rank[outcome.editor]))


def _score(trial: Trial | None) -> float:
    return np.nan if trial is None else scored(trial)
