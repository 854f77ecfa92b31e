"""GRACE's deferral radius (paper, appendix B.1): distance of questions to the nearest key against that key's radius."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.axes import stacked
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.routing import COLUMNS, routed
from analysis.style import QUERY_STYLES, WIDTH, editor_style, in_order, settings
from analysis.summary import at_largest_t
from analysis.text import markdown_frame
from wise.errors import DataError
from wise.evaluate.metrics import MAIN

CELL = ["dataset", "model", "editor", "first_radius", "T", "kind"]


def table(inputs: Inputs) -> Table:
    """A row for each first radius and kind of question."""
    found = by_kind(read(inputs))
    note = (
        "Medians of the distance to the nearest key and of that key's deferral radius; `taken` is the share of "
        "questions within the radius, which get the key's value.\n"
    )
    return Table(found, f"{note}\n{markdown_frame(found, left=3)}")


def figure(inputs: Inputs) -> Figure:
    """Read the transcripts and draw them."""
    return draw(read(inputs))


def read(inputs: Inputs) -> pd.DataFrame:
    """Routed questions at the largest T with `first_radius`, `distance` to the nearest key and its `radius`.

    Raises `DataError` for scores that are no negative distances.
    """
    rows = at_largest_t(routed(inputs.transcripts(COLUMNS, first_radius="options.radius")))
    if (rows["score"] > 0).any():
        raise DataError(f"scores of {', '.join(sorted(set(rows['editor'])))} are no negative distances to keys")
    return rows.assign(distance=rows["score"].abs(), radius=rows["threshold"].abs(), taken=rows["choice"] != MAIN)


def by_kind(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns of `CELL`, median distance and radius, share taken, and the number of questions."""
    cells = rows.groupby(CELL, sort=True)
    found = cells.agg(distance=("distance", "median"), radius=("radius", "median"), taken=("taken", "mean"))
    found = found.assign(questions=cells.size()).reset_index()
    order = {kind: rank for rank, kind in enumerate(QUERY_STYLES)}
    return found.sort_values(CELL, key=lambda column: column.map(order) if column.name == "kind" else column)


def draw(rows: pd.DataFrame) -> Figure:
    """A strip for each dataset, model and editor with a panel for each first radius."""
    groups = [
        (f"{editor_style(editor).label} on {title}, T={group['T'].iloc[0]:,}", group[group["editor"] == editor])
        for title, group in settings(rows)
        for editor in in_order(group["editor"])
    ]
    made, strips = stacked([title for title, _ in groups], WIDTH * 1.25, 2.8)
    for strip, (_, group) in zip(strips, groups, strict=True):
        radii = sorted(group["first_radius"].unique())
        panels = strip.subplots(1, len(radii), sharey=True, squeeze=False)[0]
        for axes, radius in zip(panels, radii, strict=True):
            _distances(axes, group[group["first_radius"] == radius])
            axes.set_title(f"first radius {radius:g}")
        panels[0].set_yscale("symlog", linthresh=_smallest(group["distance"]))
        panels[0].set_ylim(0, 2 * max(group["distance"].max(), group["radius"].max()))
        panels[0].set_ylabel("distance to nearest key")
        handles = [
            Line2D([], [], linestyle="", marker="o", color="#555555", markersize=3, label="distance"),
            Line2D([], [], linestyle="", marker="_", color="#000000", label="deferral radius of the nearest key"),
        ]
        strip.legend(handles=handles, loc="outside lower center", ncols=2)
    return made


def _distances(axes: Axes, rows: pd.DataFrame) -> None:
    """A column of questions for each kind, in order of distance; hollow where the key's value is not used."""
    kinds = [kind for kind in QUERY_STYLES if (rows["kind"] == kind).any()]
    for index, kind in enumerate(kinds):
        label, colour = QUERY_STYLES[kind]
        asked = rows[rows["kind"] == kind].sort_values(["distance", "radius"])
        x = index + np.linspace(-0.35, 0.35, len(asked))
        axes.scatter(x, asked["radius"], s=8, marker="_", color="#000000", linewidths=0.8, zorder=3)
        face = np.where(asked["taken"], colour, "none")
        axes.scatter(x, asked["distance"], s=6, facecolors=face, edgecolors=colour, linewidths=0.5)
        axes.annotate(f"{asked['taken'].mean():.0%}", (index, 1.0), xycoords=("data", "axes fraction"), fontsize=6.5,
                      xytext=(0, -2), textcoords="offset points", ha="center", va="top", color=colour)  # fmt: skip
    names = [QUERY_STYLES[kind][0].split()[0] for kind in kinds]  # near and far irrelevant: near, far
    axes.set_xticks(range(len(kinds)), names, fontsize=6.5)
    axes.set_xlim(-0.5, len(kinds) - 0.5)
    axes.grid(visible=False, axis="x")


def _smallest(distances: pd.Series) -> float:
    """The axis is linear below this: an edit is at distance 0 from its own key."""
    apart = distances[distances > 0]
    return max(float(apart.min()), float(apart.max()) / 1e3) if len(apart) else 1.0
