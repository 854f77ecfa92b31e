"""Variants of an editor against the first of them on the same edits: what each switch of a convention does."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from analysis.axes import stacked
from analysis.inputs import Inputs, setting
from analysis.output import Table
from analysis.style import WIDTH, editor_style, in_order, settings
from analysis.text import escape, markdown, number
from wise.editors.wise.conventions import CONVENTIONS
from wise.errors import DataError
from wise.evaluate.metrics import METRICS
from wise.evaluate.statistics import generator_for, holm, paired_comparison

SHOWN = ("rel", "gen", "loc_far", "loc_near", "avg")
COMPARED = "avg"
LEVEL = 0.05
LINEAR = 0.05
"""Differences are drawn to scale up to here and logarithmically beyond, where whole conventions lie."""
TICKS = (-0.5, -0.2, -0.05, 0, 0.05, 0.2, 0.5)
CELL = ["dataset", "model", "editor", "T"]


def table(inputs: Inputs) -> Table:
    """A row for each variant, editor and T; in Markdown and LaTeX one for each variant and editor."""
    compared = compare_all(read(inputs))
    return Table(compared, to_markdown(compared), to_latex(compared))


def figure(inputs: Inputs) -> Figure:
    """Read the scores, compare and draw."""
    return draw(compare_all(read(inputs)))


def read(inputs: Inputs) -> pd.DataFrame:
    """Scores with `variant`, named by what sets its run apart from the first of its editor, and mean `iterations`.

    Raises `DataError` for two runs of an editor and a seed with the same options.
    """
    first: dict[tuple, Mapping[str, Any]] = {}
    frames: dict[tuple, pd.DataFrame] = {}
    for scores, run in inputs.by_run():
        place = run["dataset"], run["model"], run["editor"]
        options = setting(run, "options")
        variant = variant_label(options, first.setdefault(place, options))
        key = *place, run["seed"], variant
        if key in frames:
            raise DataError(f"two runs of {run['editor']}, seed {run['seed']} have the same options ({variant})")
        frames[key] = scores.assign(variant=variant, iterations=setting(run, "cost.iterations_mean"))
    return pd.concat(frames.values(), ignore_index=True)


def variant_label(options: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
    """Options other than in `reference`, as `rho 0.25, masks disjoint`; a convention stands for all that it sets."""
    convention = options.get("convention", "as configured")
    parts = [f"convention {convention}"] if convention != reference.get("convention", convention) else []
    expected = {**reference, **(CONVENTIONS[convention] if parts else {}), "convention": convention}
    parts += [f"{key} {_plain(value)}" for key, value in options.items() if value != expected.get(key)]
    return ", ".join(parts) or convention


def compare_all(scores: pd.DataFrame) -> pd.DataFrame:
    """Columns of `CELL`, variant, the metrics of `SHOWN`, difference, low, high, p, p_holm, pairs, seeds, iterations.

    The difference of `avg` is to the variant that comes first, on the edits (seed, record) that both have; the
    correction is over all comparisons of a T. Rows of the first variant have no difference.
    """
    rows = []
    for cell, group in scores[scores["metric"].isin(SHOWN)].groupby(CELL, sort=True):
        averages = group[group["metric"] == COMPARED]
        wide = averages.pivot(index=["seed", "record"], columns="variant", values="value")
        variants = list(dict.fromkeys(group["variant"]))
        for variant in variants:
            own = group[group["variant"] == variant]
            means = own.groupby(["metric", "seed"])["value"].mean().groupby("metric").mean()
            row = {**dict(zip(CELL, cell, strict=True)), "variant": variant, **means.reindex(SHOWN)}
            if variant != variants[0]:
                both = (wide[variant] - wide[variants[0]]).dropna()
                per_seed = [part.to_numpy() for _, part in both.groupby(level="seed")]
                found = paired_comparison(per_seed, generator_for(*cell, variant))
                row |= {"difference": found.difference, "low": found.low, "high": found.high, "p": found.p}
            pairs = own[own["metric"] == COMPARED]
            row |= {"pairs": len(pairs), "seeds": pairs["seed"].nunique(), "iterations": own["iterations"].mean()}
            rows.append(row)
    columns = [*CELL, "variant", *SHOWN, "difference", "low", "high", "p", "p_holm", "pairs", "seeds", "iterations"]
    frame = pd.DataFrame(rows).reindex(columns=columns)
    for _, tested in frame.dropna(subset="p").groupby("T"):
        frame.loc[tested.index, "p_holm"] = holm(tested["p"].to_numpy(dtype=float))
    return frame


def draw(compared: pd.DataFrame) -> Figure:
    """A strip for each dataset and model with a panel for each editor: differences with their intervals."""
    groups = settings(compared)
    heights = [0.9 + 0.24 * group["variant"].nunique() for _, group in groups]
    made, strips = stacked([title for title, _ in groups], WIDTH, heights)
    for strip, (_, group) in zip(strips, groups, strict=True):
        variants = list(dict.fromkeys(group.dropna(subset="difference")["variant"]))
        editors = in_order(group["editor"])
        panels = strip.subplots(1, len(editors), sharex=True, sharey=True, squeeze=False)[0]
        for axes, editor in zip(panels, editors, strict=True):
            _dots(axes, group[group["editor"] == editor], variants)
            axes.set_title(editor_style(editor).label)
        panels[0].set_yticks(range(len(variants)), [textwrap.fill(name, 54) for name in variants], fontsize=6.5)
        panels[0].set_ylim(len(variants) - 0.5, -0.5)
        panels[0].set_xscale("symlog", linthresh=LINEAR, linscale=0.8)
        panels[0].xaxis.set(major_locator=FixedLocator(TICKS), major_formatter="{x:+g}", minor_locator=NullLocator())
        strip.supxlabel(f"difference of {METRICS[COMPARED].title} to {_first(group)}", fontsize=8)
        strip.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    return made


def to_markdown(compared: pd.DataFrame) -> str:
    """A table for each dataset, model and editor; bold where the corrected p-value is below 0.05."""
    parts = [
        f"Difference of {METRICS[COMPARED].title} (mean of Rel, Gen and far Loc) to the first row on the same edits, "
        "with its 95% bootstrap interval. Bold: p below 0.05 after Holm's correction over the comparisons of a T.\n"
    ]
    for title, group in settings(compared):
        for editor in in_order(group["editor"]):
            header, rows = _cells(group[group["editor"] == editor], "**{}**")
            parts += [f"## {editor_style(editor).label} on {title}\n", markdown(header, rows)]
    return "\n".join(parts)


def to_latex(compared: pd.DataFrame) -> str:
    """The same tables with booktabs."""
    parts = []
    for title, group in settings(compared):
        for editor in in_order(group["editor"]):
            header, rows = _cells(group[group["editor"] == editor], r"\textbf{{{}}}")
            parts += [
                r"\begin{table*}[t]", r"\centering",
                rf"\caption{{Variants of {escape(editor_style(editor).label)} on {escape(title)}.}}",
                rf"\begin{{tabular}}{{p{{5cm}}{'r' * (len(header) - 1)}}}", r"\toprule",
                " & ".join(header) + r" \\", r"\midrule",
                *(" & ".join([escape(row[0]), *row[1:]]) + r" \\" for row in rows),
                r"\bottomrule", r"\end{tabular}", r"\end{table*}", "",
            ]  # fmt: skip
    return "\n".join(parts)


def _dots(axes: Axes, compared: pd.DataFrame, variants: list[str]) -> None:
    """One editor: a dot with its interval for each variant and T, the largest T filled and topmost."""
    counts = sorted(compared["T"].unique())
    axes.axvline(0, color="#333333", linewidth=0.8)
    for index, count in enumerate(counts):
        rows = compared[compared["T"] == count].set_index("variant").reindex(variants)
        y = np.arange(len(variants)) + 0.34 * (len(counts) - 1 - index - (len(counts) - 1) / 2)
        colour = editor_style(compared["editor"].iloc[0]).colour if count == counts[-1] else "#888888"
        error = [rows["difference"] - rows["low"], rows["high"] - rows["difference"]]
        axes.errorbar(rows["difference"], y, xerr=error, fmt="o", markersize=3.2, elinewidth=1.0, color=colour,
                      markerfacecolor=colour if count == counts[-1] else "white", label=f"T={count:,}")  # fmt: skip
    axes.grid(visible=False, axis="y")


def _cells(compared: pd.DataFrame, bold: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows for one editor: all metrics at the largest T, the average and its difference at every T."""
    counts = sorted(compared["T"].unique(), reverse=True)
    header = ["Variant", *(f"T={counts[0]} {METRICS[metric].title}" for metric in SHOWN)]
    for count in counts:
        header += [f"T={count} {METRICS[COMPARED].title}"] if count != counts[0] else []
        header += [f"T={count} difference"]
    wide = compared.set_index(["variant", "T"])
    rows = []
    for variant in dict.fromkeys(compared["variant"]):
        row = [variant, *(number(wide.loc[(variant, counts[0]), metric], 3) for metric in SHOWN)]
        for count in counts:
            cell = wide.loc[(variant, count)]
            row += [number(cell[COMPARED], 3)] if count != counts[0] else []
            row += [_difference(cell, bold)]
        rows.append([*row, number(cell["iterations"], 1)])
    return [*header, "Iterations"], rows


def _difference(cell: pd.Series, bold: str) -> str:
    if pd.isna(cell["difference"]):
        return "–"
    text = f"{cell['difference']:+.3f}"
    shown = bold.format(text) if cell["p_holm"] < LEVEL else text
    return f"{shown} [{cell['low']:+.3f}, {cell['high']:+.3f}]"


def _first(compared: pd.DataFrame) -> str:
    return compared["variant"].iloc[0]


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
