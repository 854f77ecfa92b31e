"""Router visualisation (paper, Figure 3): scores against the number of edits, distributions at the end, and ROC."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.axes import edits_axis, stacked
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.routing import COLUMNS, MAIN, distributions, is_wide, routed
from analysis.style import QUERY_STYLES, WIDTH, editor_style, in_order, setting_title
from analysis.summary import sort_cells
from analysis.text import markdown_frame
from wise.evaluate.statistics import auc, roc_curve

IN_SCOPE = ("edit", "paraphrase")
IRRELEVANT = ("locality_near", "locality_far")


def table(inputs: Inputs) -> Table:
    """AUC and rates by editor and T."""
    rates = quality(routed(inputs.transcripts(COLUMNS)))
    note = (
        "AUC of the routing score of edits and their paraphrases against near, far and all irrelevant queries; rates "
        "are shares of queries that a memory answered; means over seeds, score medians over all queries.\n"
    )
    return Table(rates, f"{note}\n{markdown_frame(rates, left=3)}")


def figure(inputs: Inputs) -> Figure:
    """Read the transcripts and draw them."""
    return draw(routed(inputs.transcripts(COLUMNS)))


def quality(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per dataset, model, editor and T: how well scores and thresholds tell edits from other queries.

    `auc_near`, `auc_far`, `auc` (edits and paraphrases against irrelevant queries); `edit_rate`, `paraphrase_rate`
    (true positives) and `near_rate`, `far_rate` (false positives) at the threshold; median `threshold`; `seeds`.
    """
    cells = []
    for key, group in rows.groupby(["dataset", "model", "editor", "T"], sort=True):
        per_seed = pd.DataFrame([_quality_of(part) for _, part in group.groupby("seed")])
        found = {**per_seed.mean().to_dict(), "threshold": float(group["threshold"].median()), "seeds": len(per_seed)}
        cells.append({**dict(zip(("dataset", "model", "editor", "T"), key, strict=True)), **found})
    return sort_cells(pd.DataFrame(cells).assign(metric=""), [""]).drop(columns="metric")


def draw(rows: pd.DataFrame) -> Figure:
    """A strip of three panels for each dataset, model and editor."""
    keys = ["dataset", "model", "editor"]
    groups = {key: group for key, group in rows.groupby(keys, sort=True)}
    ordered = sorted(groups, key=lambda key: (key[:2], in_order(rows["editor"]).index(key[2])))
    titles = [f"{editor_style(key[2]).label} on {setting_title(*key[:2])}" for key in ordered]
    made, strips = stacked(titles, WIDTH * 1.25, 3.0)
    for strip, key in zip(strips, ordered, strict=True):
        group = groups[key]
        last = group[group["T"] == group["T"].max()]
        over_t, spread, roc = strip.subplots(1, 3, width_ratios=[1.1, 1.2, 1])
        _against_t(over_t, group)
        distributions(spread, last)
        spread.set_title(f"distributions at T={group['T'].max():,}")
        _roc(roc, last)
        strip.legend(*over_t.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return made


def _quality_of(rows: pd.DataFrame) -> dict[str, float]:
    scores = {kind: part["score"].to_numpy(dtype=float) for kind, part in rows.groupby("kind")}
    positive = np.concatenate([scores.get(kind, np.empty(0)) for kind in IN_SCOPE])
    sides = {"auc_near": IRRELEVANT[:1], "auc_far": IRRELEVANT[1:], "auc": IRRELEVANT}
    found = {}
    for name, kinds in sides.items():
        negative = np.concatenate([scores.get(kind, np.empty(0)) for kind in kinds])
        found[name] = auc(positive, negative) if len(positive) and len(negative) else np.nan
    answered = (rows["choice"] != MAIN).groupby(rows["kind"]).mean()
    names = {"edit": "edit", "paraphrase": "paraphrase", "locality_near": "near", "locality_far": "far"}
    return {**found, **{f"{name}_rate": float(answered.get(kind, np.nan)) for kind, name in names.items()}}


def _against_t(axes: Axes, rows: pd.DataFrame) -> None:
    """Median and central 80% of the scores of each kind of query, and the median threshold, at every T."""
    for kind, (label, colour) in QUERY_STYLES.items():
        asked = rows[rows["kind"] == kind]
        if asked.empty:
            continue
        bands = asked.groupby("T")["score"].quantile([0.1, 0.5, 0.9]).unstack()
        axes.fill_between(bands.index, bands[0.1], bands[0.9], color=colour, alpha=0.18, linewidth=0)
        axes.plot(bands.index, bands[0.5], color=colour, marker="o", label=label)
    thresholds = rows.groupby("T")["threshold"].median()
    axes.plot(thresholds.index, thresholds, color="#000000", linestyle="--", marker="_", label="threshold")
    edits_axis(axes, rows["T"].unique())
    if is_wide(rows["score"].to_numpy(dtype=float)):
        axes.set_yscale("log")
    axes.set_ylabel("routing score")
    axes.set_title("median and central 80% of scores")


def _roc(axes: Axes, rows: pd.DataFrame) -> None:
    """ROC of edits and paraphrases against near and far queries."""
    positive = rows.loc[rows["kind"].isin(IN_SCOPE), "score"].to_numpy(dtype=float)
    if not rows["kind"].isin(IRRELEVANT).any():
        axes.set_axis_off()
        axes.text(0.5, 0.5, "No ROC: no irrelevant\nquestions were asked.", ha="center", transform=axes.transAxes)
        return
    for kind in IRRELEVANT:
        negative = rows.loc[rows["kind"] == kind, "score"].to_numpy(dtype=float)
        if not len(negative) or not len(positive):
            continue
        label, colour = QUERY_STYLES[kind]
        false_rate, true_rate = roc_curve(positive, negative)
        axes.plot(false_rate, true_rate, color=colour, label=f"{label} (AUC {auc(positive, negative):.3f})")
    axes.plot([0, 1], [0, 1], color="#AAAAAA", linewidth=0.8, linestyle=":")
    axes.set_aspect("equal")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_title("ROC at the largest T")
    axes.set_xlabel("irrelevant queries to memory")
    axes.set_ylabel("edits, paraphrases to memory")
    axes.legend(loc="lower right", fontsize=6.5)
