"""Replay of past edits (paper, Figure 11): top-1 retrieval and reliability against T, with and without."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analysis import switches
from analysis.axes import edits_axis, metric_axis, stacked
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.sampled import bands
from analysis.style import WIDTH, editor_style, settings
from analysis.summary import summarise
from wise.errors import NothingToShow

PANELS = {"rel_retrieved": "Top-1 retrieval of edits", "gen_retrieved": "Top-1 retrieval of paraphrases", "rel": "Rel"}
BY = ("dataset", "model", "editor", "T", "replay")
LINES = {False: ("without replay", "--"), True: ("with replay", "-")}


def table(inputs: Inputs) -> Table:
    """What `analysis.switches` says of the two variants."""
    return switches.table(inputs)


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    return draw(summarise(inputs.ablation(replay="options.replay"), tuple(PANELS), by=BY))


def draw(cells: pd.DataFrame) -> Figure:
    """A strip for each dataset, model and editor; raises `NothingToShow` where no editor has several memories."""
    if not set(cells["metric"]) - {"rel"}:
        raise NothingToShow("Replay is for editors that keep several memories; none of these does.")
    groups = [
        (f"{editor_style(str(editor)).label} on {title}", rows)
        for title, group in settings(cells)
        for editor, rows in group.groupby("editor", sort=True)
    ]
    made, strips = stacked([title for title, _ in groups], WIDTH, 2.6)
    for strip, (_, group) in zip(strips, groups, strict=True):
        panels = strip.subplots(1, len(PANELS), sharey=True)
        for axes, (metric, title) in zip(panels, PANELS.items(), strict=True):
            for replay, (label, line) in LINES.items():
                rows = group[(group["metric"] == metric) & (group["replay"] == replay)].sort_values("T")
                colour = editor_style(group["editor"].iloc[0]).colour if replay else "#888888"
                axes.fill_between(rows["T"], rows["low"], rows["high"], color=colour, alpha=0.16, linewidth=0)
                axes.plot(rows["T"], rows["mean"], color=colour, linestyle=line, marker="o" if replay else "x",
                          zorder=2 if replay else 3, label=label)  # fmt: skip
            metric_axis(axes, "rel")
            edits_axis(axes, group["T"].unique())
            axes.set_title(title)
        panels[0].set_ylabel("share of questions, score")
        strip.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
                     title=f"bands: {bands(group)}", title_fontsize=7)  # fmt: skip
    return made
