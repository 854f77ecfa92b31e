"""Router visualisation (paper, Figure 3): scores against the number of edits, distributions at the end, and ROC."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.axes import edits_axis, stacked
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.routing import COLUMNS, distributions, is_wide, routed
from analysis.sampled import estimate_of, intervals
from analysis.style import QUERY_STYLES, WIDTH, editor_style, in_order, setting_title
from analysis.summary import sort_cells
from analysis.text import markdown_frame, with_interval
from wise.evaluate.estimate import RECORDS_ONLY, SEEDS_TOO
from wise.evaluate.metrics import MAIN
from wise.evaluate.statistics import auc, auc_by_record, interval, roc_curve

IN_SCOPE = ("edit", "paraphrase")
IRRELEVANT = ("locality_near", "locality_far")
SIDES = {"auc_near": IRRELEVANT[:1], "auc_far": IRRELEVANT[1:], "auc": IRRELEVANT}
"""The irrelevant questions of each AUC."""


def table(inputs: Inputs) -> Table:
    """AUC and rates by editor and T."""
    rates = quality(routed(inputs.transcripts(COLUMNS)))
    note = (
        "AUC of the routing score of edits and their paraphrases against near, far and all irrelevant queries, with "
        "its interval; rates are shares of queries that a memory answered; means over seeds, score medians over all "
        f"queries. {intervals(rates)}\n"
    )
    return Table(rates, f"{note}\n{markdown_frame(_shown(rates), left=3)}")


def figure(inputs: Inputs) -> Figure:
    """Read the transcripts and draw them."""
    return draw(routed(inputs.transcripts(COLUMNS)))


def quality(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per dataset, model, editor and T: how well scores and thresholds tell edits from other queries.

    `auc_near`, `auc_far`, `auc` (edits and paraphrases against irrelevant queries), each with `_low` and `_high`;
    `edit_rate`, `paraphrase_rate` (true positives) and `near_rate`, `far_rate` (false positives) at the threshold;
    median `threshold`; `seeds` and what intervals cover.
    """
    cells = []
    for key, group in rows.groupby(["dataset", "model", "editor", "T"], sort=True):
        rates = pd.DataFrame([_rates(part) for _, part in group.groupby("seed")])
        found = {**_areas(group), **rates.mean().to_dict(), "threshold": float(group["threshold"].median()),
                 "seeds": len(rates), "covers": RECORDS_ONLY if len(rates) == 1 else SEEDS_TOO}  # fmt: skip
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


def _areas(rows: pd.DataFrame) -> dict[str, float]:
    """Every AUC of one cell with the ends of its interval, over the seeds that have both sides."""
    found = {}
    for name, kinds in SIDES.items():
        parts = []
        for seed, own in rows.groupby("seed", sort=True):
            yes, no = own[own["kind"].isin(IN_SCOPE)], own[own["kind"].isin(kinds)]
            if len(yes) and len(no):
                first, second = yes["score"].to_numpy(dtype=float), no["score"].to_numpy(dtype=float)
                owners = yes["record"].to_numpy(), no["record"].to_numpy()
                records, values = auc_by_record(first, second, *owners)
                chunks = own.drop_duplicates("record").set_index("record")["chunk"]
                parts.append(pd.DataFrame({"value": values, "seed": seed, "chunk": chunks[records].to_numpy(),
                                           "record": records}))  # fmt: skip
        if parts:
            ends = interval(estimate_of(pd.concat(parts)), (0.0, 1.0))
            found |= {name: ends.mean, f"{name}_low": ends.low, f"{name}_high": ends.high}
        else:
            found |= {name: np.nan, f"{name}_low": np.nan, f"{name}_high": np.nan}
    return found


def _shown(rates: pd.DataFrame) -> pd.DataFrame:
    """With each AUC and its interval in one column."""
    ends = [f"{name}{end}" for name in SIDES for end in ("_low", "_high")]
    joined = {
        name: [
            with_interval(mean, low, high, 3)
            for mean, low, high in rates[[name, f"{name}_low", f"{name}_high"]].to_numpy()
        ]
        for name in SIDES
    }
    return rates.assign(**joined).drop(columns=[*ends, "covers"])


def _rates(rows: pd.DataFrame) -> dict[str, float]:
    """Share of the queries of each kind that a memory answered, of one seed."""
    answered = (rows["choice"] != MAIN).groupby(rows["kind"]).mean()
    names = {"edit": "edit", "paraphrase": "paraphrase", "locality_near": "near", "locality_far": "far"}
    return {f"{name}_rate": float(answered.get(kind, np.nan)) for kind, name in names.items()}


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
