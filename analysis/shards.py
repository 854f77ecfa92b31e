"""Knowledge sharding (paper, Figure 5): average score over shard count k and mask ratio rho, and overlap rho^k."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.axes import stacked
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.published_variants import PUBLISHED, asked
from analysis.sampled import intervals
from analysis.style import WIDTH, editor_style
from analysis.summary import summarise
from analysis.text import markdown, markdown_frame, with_interval
from wise.errors import NothingToShow

METRIC_ORDER = ("avg", "rel", "gen", "loc_far", "loc_near")
BY = ("dataset", "model", "editor", "T", "k", "rho")
WEIGHTS = 200_000
"""Entries of the masks whose overlap is simulated."""


def table(inputs: Inputs) -> Table:
    """Long CSV (columns of `BY`, overlap, and those of `analysis.summary`) and Markdown grids."""
    cells = by_shards(inputs)
    return Table(cells, to_markdown(cells))


def figure(inputs: Inputs) -> Figure:
    """Read the scores and draw them."""
    return draw(by_shards(inputs))


def by_shards(inputs: Inputs) -> pd.DataFrame:
    """Means with intervals by k and rho, which are those of each file's run record, and the overlap rho^k.

    Raises `NothingToShow` for a dataset whose edits lack one of the scores that the average is made of.
    """
    scores = inputs.ablation(k="options.shards", rho="options.rho")
    cells = summarise(scores, METRIC_ORDER, by=BY)
    if "avg" not in set(cells["metric"]):
        raise NothingToShow("This study compares averages of Rel, Gen and Loc far; these edits lack one of them.")
    cells.insert(BY.index("rho") + 1, "overlap", cells["rho"] ** cells["k"])
    drawn = {key: simulated_overlap(*key) for key in dict.fromkeys(zip(cells["k"], cells["rho"], strict=True))}
    values = [drawn[key] for key in zip(cells["k"], cells["rho"], strict=True)]
    cells.insert(BY.index("rho") + 2, "simulated", values)
    return cells


def simulated_overlap(k: int, rho: float) -> float:
    """The share of `WEIGHTS` weights that k random masks with ratio rho all leave free: Theorem 2.1 expects rho^k."""
    draw = np.random.default_rng([k, round(rho * 10_000)])
    free = np.ones(WEIGHTS, dtype=bool)
    for _ in range(k):
        free &= draw.random(WEIGHTS) < rho
    return float(free.mean())


def grid(cells: pd.DataFrame, value: str = "mean") -> pd.DataFrame:
    """k down, rho across, NaN for combinations that were not run."""
    return cells[cells["metric"] == "avg"].pivot(index="k", columns="rho", values=value).sort_index().sort_index(axis=1)


def draw(cells: pd.DataFrame) -> Figure:
    """Two heat maps per dataset, model, editor and T: average score, and overlap expected by Theorem 2.1."""
    groups = list(cells.groupby(list(BY[:4]), sort=True))
    titles = [f"{editor_style(key[2]).label} on {key[0]}, {key[1]}, T={key[3]:,}" for key, _ in groups]
    made, strips = stacked(titles, WIDTH, 1.4 + 0.33 * max(2, cells["k"].nunique()))
    for strip, (_, group) in zip(strips, groups, strict=True):
        left, right = strip.subplots(1, 2)
        _heat_map(left, grid(group), "viridis", "Avg (Rel, Gen, Loc far)", "{:.2f}".format)
        off = float((group["overlap"] - group["simulated"]).abs().max())
        title = rf"expected overlap $\rho^k$ (simulated: within {off:.1g})"
        _heat_map(right, grid(group, "overlap"), "cividis", title, short)
    return made


def to_markdown(cells: pd.DataFrame) -> str:
    """The grid of averages, then every score, for each dataset, model, editor and T."""
    parts = []
    for key, group in cells.groupby(list(BY[:4]), sort=True):
        averages = grid(group)
        low, high = grid(group, "low"), grid(group, "high")
        rows = [
            [str(k), *(with_interval(averages.loc[k, rho], low.loc[k, rho], high.loc[k, rho], 3) for rho in averages)]
            for k in averages.index
        ]
        wide = group.pivot(index=["k", "rho", "overlap", "simulated"], columns="metric", values="mean")
        wide = wide.reindex(columns=[metric for metric in METRIC_ORDER if metric in wide.columns]).reset_index()
        wide = wide.astype({"k": str, "rho": str}).assign(
            overlap=wide["overlap"].map("{:.2g}".format), simulated=wide["simulated"].map("{:.2g}".format)
        )
        parts += [
            f"## {editor_style(key[2]).label} on {key[0]}, {key[1]}, T={key[3]}\n",
            "Average of Rel, Gen and far Loc by shard count k (down) and mask ratio rho (across). "
            f"{intervals(group)}\n",
            markdown(["k", *(f"rho={rho:g}" for rho in averages.columns)], rows),
            "All scores:\n",
            markdown_frame(wide),
        ]
    return "\n".join([*parts, _published()])


def _published() -> str:
    """The paper's grid, beside ours: Figure 5, left."""
    cells = pd.read_csv(PUBLISHED).query("source.str.endswith('Figure 5')")
    options = pd.DataFrame([asked(where) for where in cells["where"]], index=cells.index)
    wide = cells.assign(k=options["shards"], rho=options["rho"]).pivot(index="k", columns="rho", values="value")
    rows = [[str(k), *(f"{value:.3f}" for value in line)] for k, line in zip(wide.index, wide.to_numpy(), strict=True)]
    return (
        "## The paper's grid\n\nAverage of LLaMA-2-7B on ZsRE, T=1000 (Figure 5); best near an overlap of .03.\n\n"
        + markdown(["k", *(f"rho={rho}" for rho in wide.columns)], rows)
    )


def short(value: float) -> str:
    """A number in the four signs that a cell has room for: `.047`, `7e-4`."""
    if value >= 0.995:
        return f"{value:.0f}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return f"{value:.2g}".lstrip("0") if value >= 0.001 else f"{mantissa}e{int(exponent)}"


def _heat_map(axes: Axes, values: pd.DataFrame, colours: str, title: str, form: Callable[[float], str]) -> None:
    named = values.rename(index="{:g}".format, columns="{:g}".format)
    written = named.map(form, na_action="ignore")
    seaborn.heatmap(named, ax=axes, cmap=colours, annot=written, fmt="", annot_kws={"size": 7}, cbar_kws={"pad": 0.02})
    axes.invert_yaxis()
    axes.tick_params(axis="y", rotation=0)
    axes.set_xlabel(r"mask ratio $\rho$")
    axes.set_ylabel("shards k")
    axes.set_title(title)
