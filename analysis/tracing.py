"""Causal tracing by layer, and the edit's result by layer beside it (paper, Figure 8)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import layer as layers
from analysis.axes import share_axis
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.sampled import intervals
from analysis.style import METRIC_COLOURS, WIDTH, editor_style
from analysis.text import markdown, number, with_interval
from wise.evaluate.estimate import estimate
from wise.evaluate.metrics import METRICS
from wise.evaluate.statistics import interval

LINES = {
    ("state", "subject_last"): ("state, subject's last token", "#332288", "-"),
    ("state", "prompt_last"): ("state, prompt's last token", "#44AA99", "-"),
    ("ffn", "subject_last"): ("FFN, subject's last token", "#332288", ":"),
    ("ffn", "prompt_last"): ("FFN, prompt's last token", "#44AA99", ":"),
}
"""Label, colour and line of each kind of state and token."""
SCORES = ("rel", "gen", "loc_far", "avg")
STUDY = "layer"


def table(inputs: Inputs) -> Table:
    """A row for each kind of state, token and layer: the average indirect effect, with what an edit there came to."""
    document = inputs.tracing()
    traced, edited = effects(document["rows"]), edits(inputs)
    if edited is not None:
        shown = edited[edited["metric"].isin(SCORES)]
        wide = shown.pivot_table(index="layer", columns="metric", values="mean").add_prefix("edit_").reset_index()
        traced = traced.merge(wide, on="layer", how="left")
    return Table(traced, to_markdown(traced, edited, document))


def figure(inputs: Inputs) -> Figure:
    """Read the effects and the scores of the study of layers and draw them."""
    return draw(effects(inputs.tracing()["rows"]), edits(inputs))


def effects(rows: list[dict]) -> pd.DataFrame:
    """Columns kind, token, layer, effect with its 95% interval over prompts, and their number."""
    made = []
    for (kind, token, layer), group in pd.DataFrame(rows).groupby(["kind", "token", "layer"], sort=True):
        zero = np.zeros(len(group), dtype=int)
        ends = interval(estimate(group["effect"].to_numpy(), zero, zero, np.arange(len(group))))
        made.append((kind, token, layer, ends.mean, ends.low, ends.high, group["total"].mean(), len(group)))
    return pd.DataFrame(made, columns=["kind", "token", "layer", "effect", "low", "high", "total", "prompts"])


def edits(inputs: Inputs) -> pd.DataFrame | None:
    """Scores by layer at the largest T of the study of layers; None where its runs were not given."""
    if STUDY not in inputs.studies:
        return None
    cells = layers.by_layer(inputs.of_study(STUDY))
    return cells[cells["T"] == cells["T"].max()]


def to_markdown(traced: pd.DataFrame, edited: pd.DataFrame | None, document: dict) -> str:
    """A row for each layer."""
    wide = traced.set_index(["kind", "token", "layer"])
    header = ["Layer", *(label for label, _, _ in LINES.values())]
    shown = [] if edited is None else [metric for metric in SCORES if metric in set(edited["metric"])]
    header += [f"edit {METRICS[metric].title}" for metric in shown]
    lines = []
    for layer in sorted(traced["layer"].unique()):
        cells = [wide.loc[(*key, layer)] for key in LINES]
        line = [str(layer), *(with_interval(cell["effect"], cell["low"], cell["high"], 3) for cell in cells)]
        if edited is not None:
            there = edited[edited["layer"] == layer].set_index("metric")["mean"]
            line += [number(there.get(metric, float("nan"))) for metric in shown]
        lines.append(line)
    note = (
        f"Average indirect effect over {document['prompts']} prompts that the model answers: how much of the answer's "
        f"probability comes back with one state when the subject is disturbed by noise of {document['noise']:g} "
        f"standard deviations ({document['samples']} draws). Total effect {number(float(traced['total'].mean()), 3)}. "
        "Intervals of 95% are over prompts. "
    )
    if edited is not None and len(edited):
        first = edited.iloc[0]
        note += f"Edits by {editor_style(first['editor']).label} at T={first['T']}, from the study of layers. "
        note += intervals(edited)
    published = "Published (WISE, Figure 8, Llama-2-7B, 32 layers): effects rise at layers 4 to 8."
    return f"{note}\n\n{published}\n\n{markdown(header, lines)}"


def draw(traced: pd.DataFrame, edited: pd.DataFrame | None) -> Figure:
    """Effects by layer at the left, scores of edits by layer at the right, on the same layers."""
    made = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    left, right = made.subplots(1, 2, sharex=True)
    for key, (label, colour, line) in LINES.items():
        rows = traced[(traced["kind"] == key[0]) & (traced["token"] == key[1])].sort_values("layer")
        left.fill_between(rows["layer"], rows["low"], rows["high"], color=colour, alpha=0.12, linewidth=0)
        left.plot(rows["layer"], rows["effect"], color=colour, linestyle=line, marker="o", label=label)
    left.set_title("causal tracing of the unedited model")
    left.set_ylabel("average indirect effect")
    _edited(right, edited)
    for axes in (left, right):
        axes.set_xlabel("layer, counted from 0")
        axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=7)
    return made


def _edited(axes: Axes, edited: pd.DataFrame | None) -> None:
    share_axis(axes)
    if edited is None or edited.empty:
        axes.set_title("no edits by layer were made")
        return
    for metric in SCORES:
        rows = edited[edited["metric"] == metric].sort_values("layer")
        if len(rows):
            error = [rows["mean"] - rows["low"], rows["high"] - rows["mean"]]
            axes.errorbar(rows["layer"], rows["mean"], yerr=error, color=METRIC_COLOURS[metric], marker="s",
                          elinewidth=0.8, label=METRICS[metric].title)  # fmt: skip
    first = edited.iloc[0]
    axes.set_title(f"edits written there by {editor_style(first['editor']).label}, T={first['T']:,}")
    axes.set_ylabel("score")
