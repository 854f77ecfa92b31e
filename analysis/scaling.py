"""Thousands of edits (paper, Table 6): scores against T, and what an oracle that picks the memory would add."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import published_variants
from analysis.axes import edits_axis, metric_axis, stacked
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.published_table import PUBLISHED
from analysis.sampled import bands, intervals
from analysis.style import WIDTH, editor_style, in_order, settings
from analysis.summary import summarise
from analysis.text import markdown, number, with_interval
from wise.errors import NothingToShow

ROUTED = ("rel", "gen", "loc_far", "avg")
ORACLE = {"rel_oracle": "rel", "gen_oracle": "gen", "avg_oracle": "avg"}
RETRIEVED = "rel_retrieved"
TITLES = {"rel": "Rel", "gen": "Gen", "loc_far": "Loc", "avg": "Avg", RETRIEVED: "Top-1"}
KEYS = ["dataset", "model", "T", "editor", "oracle"]
STREAM, MODEL = "zsre", "LLaMA-2-7B"
"""The paper's stream of thousands of edits, and its model."""
TOLD, ASKED = "wise-retrieve", "oracle=true"
"""The editor whose memories the paper's oracle picks, and how its cells are marked."""


def table(inputs: Inputs) -> Table:
    """A row for each score: editor, T, whether an oracle picked the memory; with the published one at the same T."""
    cells = with_published(by_edits(inputs))
    return Table(cells, to_markdown(cells))


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    return draw(by_edits(inputs))


def by_edits(inputs: Inputs) -> pd.DataFrame:
    """Means with intervals of every editor at every T; `oracle` says that the memory that holds the edit was asked."""
    scores = inputs.scores()
    routed = summarise(scores, (*ROUTED, RETRIEVED)).assign(oracle=False)
    told = summarise(scores, tuple(ORACLE)).assign(oracle=True)
    told["metric"] = told["metric"].map(ORACLE)
    cells = pd.concat([routed, told], ignore_index=True)
    if "avg" not in set(cells["metric"]):
        raise NothingToShow("This study compares averages of Rel, Gen and Loc far; these edits lack one of them.")
    rank = {name: index for index, name in enumerate(in_order(cells["editor"]))}
    return cells.sort_values(
        KEYS, key=lambda column: column.map(rank) if column.name == "editor" else column, ignore_index=True
    )


def with_published(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells with the columns `published_model` and `published`, of the paper's ZsRE stream at the same T."""
    told = pd.read_csv(published_variants.PUBLISHED).query(f"where == '{ASKED}'").assign(editor=TOLD, oracle=True)
    theirs = pd.concat([pd.read_csv(PUBLISHED, keep_default_na=False).assign(oracle=False), told])
    theirs = theirs[(theirs["dataset"] == STREAM) & (theirs["model"] == MODEL)]
    theirs = theirs.assign(metric=theirs["metric"].replace({"loc": "loc_far"}))
    keys = ["editor", "oracle", "T", "metric"]
    theirs = theirs.rename(columns={"model": "published_model", "value": "published"})
    return cells.merge(theirs[[*keys, "published_model", "published"]], on=keys, how="left")


def to_markdown(cells: pd.DataFrame) -> str:
    """A table for each dataset and model: a row for each T and editor, and one with an oracle in the router's place."""
    parts = [
        "With an oracle the memory that holds an edit answers it, and the unedited model all unrelated questions. "
        "Top-1: edits that the router sends to that memory. Published: WISE paper, Table 6 (up to T=1000: Table 2), "
        f"LLaMA-2-7B on ZsRE. {intervals(cells)}\n"
    ]
    for title, group in settings(cells):
        lines = []
        for _, rows in group.groupby(KEYS, sort=False):
            by_metric = rows.set_index("metric")
            first = rows.iloc[0]
            name = editor_style(first["editor"]).label + (", oracle" if first["oracle"] else "")
            shown = [
                with_interval(*by_metric.loc[metric, ["mean", "low", "high"]])
                if metric in by_metric.index
                else "1, by definition"
                if first["oracle"] and metric == "loc_far"
                else "–"
                for metric in TITLES
            ]
            theirs = [number(by_metric["published"].get(metric, float("nan"))) for metric in ROUTED]
            lines.append([str(first["T"]), name, *shown, *theirs])
        header = ["T", "Editor", *TITLES.values(), *(f"published {TITLES[metric]}" for metric in ROUTED)]
        parts += [f"## {title}\n", markdown(header, lines, left=2)]
    return "\n".join(parts)


def draw(cells: pd.DataFrame) -> Figure:
    """Average, reliability and top-1 retrieval against T for each dataset and model; dotted with an oracle."""
    parts = settings(cells)
    made, strips = stacked([title for title, _ in parts], WIDTH, 2.9)
    for strip, (_, group) in zip(strips, parts, strict=True):
        panels = strip.subplots(1, 3, sharey=True)
        for axes, (metric, title) in zip(
            panels, {"avg": "Avg (Rel, Gen, Loc far)", "rel": "Rel", RETRIEVED: "Top-1 retrieval"}.items(), strict=True
        ):
            _panel(axes, group[group["metric"] == metric])
            metric_axis(axes, "rel")
            edits_axis(axes, group["T"].unique())
            axes.set_title(title)
        panels[0].set_ylabel("score")
        handles, labels = panels[0].get_legend_handles_labels()
        strip.legend(handles, labels, loc="outside lower center", ncols=4, title=f"bands: {bands(group)}",
                     title_fontsize=7)  # fmt: skip
    return made


def _panel(axes: Axes, cells: pd.DataFrame) -> None:
    """A line with its band for each editor; dotted, with hollow signs, where an oracle picks the memory."""
    for (editor, oracle), line in cells.groupby(["editor", "oracle"], sort=False):
        style = editor_style(str(editor))
        line = line.sort_values("T")
        label = style.label + (", oracle" if oracle else "")
        axes.fill_between(line["T"], line["low"], line["high"], color=style.colour, alpha=0.08 if oracle else 0.16,
                          linewidth=0)  # fmt: skip
        axes.plot(line["T"], line["mean"], color=style.colour, marker=style.marker,
                  markerfacecolor="none" if oracle else None, linestyle=":" if oracle else "-",
                  linewidth=1.8 if oracle else 1.4, label=label)  # fmt: skip
