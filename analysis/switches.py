"""Variants of an editor against the first of them on the same edits: what each of its options does."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.differences import draw
from analysis.inputs import Inputs, setting
from analysis.output import Table
from analysis.paired import COMPARED, compare, described
from analysis.published_variants import beside
from analysis.router import quality
from analysis.routing import COLUMNS, routed
from analysis.sampled import intervals
from analysis.style import editor_style, in_order, settings
from analysis.task_type import Setting, comparable, setting_of, with_averages
from analysis.text import booktabs, escape, markdown, number
from wise.editors.wise.conventions import CONVENTIONS
from wise.errors import NothingToShow
from wise.evaluate.metrics import METRICS
from wise.evaluate.statistics import ALPHA, Comparison

LOG = logging.getLogger(__name__)
CELL = ["dataset", "model", "records", "editor", "T"]
STREAM = "stream"
"""The records of a run that names none."""
RETRIEVED = ("rel_retrieved",)
"""Shares of questions that the memory of the edit answered."""
RATES = ["paraphrase_rate", "near_rate", "far_rate"]
"""Shares of questions that a memory answered, of editors that route."""


def table(inputs: Inputs) -> Table:
    """A row for each variant, editor and T; in Markdown and LaTeX one for each variant and editor."""
    compared = compare_all(read(inputs))
    published = to_published(compared, options_of(inputs))
    return Table(compared, to_markdown(compared) + published, to_latex(compared) + booktabs(published))


def options_of(inputs: Inputs) -> dict[tuple[str, str, str], dict[str, Mapping[str, Any]]]:
    """By dataset, model and editor the options of each variant, by its name in the tables."""
    found: dict[tuple[str, str, str], dict[str, Mapping[str, Any]]] = {}
    for run in inputs.records():
        variants = found.setdefault((run["dataset"], run["model"], run["editor"]), {})
        options = setting(run, "options")
        variants.setdefault(variant_label(options, next(iter(variants.values()), options)), options)
    return found


def to_published(compared: pd.DataFrame, options: Mapping[tuple[str, str, str], dict[str, Mapping[str, Any]]]) -> str:
    """What the paper reports of the same options, for each editor; empty where it reports nothing."""
    parts = []
    for (dataset, model, editor), variants in options.items():
        own = compared[(compared[["dataset", "model", "editor"]] == (dataset, model, editor)).all(axis=1)]
        own = own[own["records"] == own["records"].iloc[-1]]
        metrics = [metric for metric in METRICS if metric in own]
        ours = {
            int(str(T)): {(row["variant"], name): row[name] for row in rows.to_dict("records") for name in metrics}
            for T, rows in own.groupby("T")
        }
        text = beside(variants, ours)
        parts += [f"\n## {editor_style(editor).label} on {dataset}, {model}, beside the paper\n", text] if text else []
    return "\n".join(parts)


def figure(inputs: Inputs) -> Figure:
    """Read the scores, compare and draw."""
    return draw(by_records(compare_all(read(inputs))))


def by_records(compared: pd.DataFrame) -> pd.DataFrame:
    """The same with the records in the dataset's name, where there are several kinds of them."""
    if compared["records"].nunique() < 2:
        return compared
    return compared.assign(dataset=compared["dataset"] + " (" + compared["records"] + ")")


def read(inputs: Inputs) -> pd.DataFrame:
    """Scores with `variant`, named by what sets its run apart from the first of its editor, `records`, `iterations`.

    Where transcripts are given and the editor routes, `RATES` as well, by T. A run with the options of another one is
    left out with a warning: a variant may set what is chosen already.
    """
    first: dict[tuple, Mapping[str, Any]] = {}
    frames: dict[tuple, pd.DataFrame] = {}
    for one in inputs.one_by_one():
        [(scores, run)] = one.by_run()
        place = run["dataset"], run["model"], run["editor"]
        options, records = setting(run, "options"), run.get("records", STREAM)
        variant = variant_label(options, first.setdefault(place, options))
        key = *place, records, run["seed"], variant
        if key in frames:
            LOG.warning("%s: two runs have the same options; the first is shown", key)
            continue
        further = {"iterations": setting(run, "cost.iterations_mean"), **_rates(one, scores["T"])}
        frames[key] = scores.assign(variant=variant, records=records, **further)
    return with_averages(pd.concat(frames.values(), ignore_index=True))


def _rates(one: Inputs, counts: pd.Series) -> dict[str, pd.Series]:
    """Each of `RATES` of one run, at the T of every row of its scores."""
    if not one.transcript_paths:
        return {}
    try:
        rates = quality(routed(one.transcripts(COLUMNS))).set_index("T")
    except NothingToShow:
        return {}
    return {name: counts.map(rates[name]) for name in RATES}


def shown_of(setting: Setting, metrics: Iterable[str], several: Iterable[str] = ()) -> list[str]:
    """The columns of a dataset that has these metrics; the last one is compared.

    `several` are further ones of editors with several memories.
    """
    wanted = {*setting.headline, "loc_near", *several, setting.compared} & set(metrics) - {setting.compared}
    return [*(metric for metric in METRICS if metric in wanted), setting.compared]


def several_memories(scores: pd.DataFrame) -> tuple[str, ...]:
    """`RETRIEVED`, where an edit was ever sent to another memory than its own: else to be routed says the same."""
    sums = scores.groupby("metric")["value"].sum()
    return RETRIEVED if sums.get("rel_retrieved", 0.0) != sums.get("rel_routed", 0.0) else ()


def variant_label(options: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
    """Options other than in `reference`, as `rho 0.25, masks disjoint`; a convention stands for all that it sets."""
    convention = options.get("convention", "as configured")
    parts = [f"convention {convention}"] if convention != reference.get("convention", convention) else []
    expected = {**reference, **(CONVENTIONS[convention] if parts else {}), "convention": convention}
    parts += [f"{key} {_plain(value)}" for key, value in options.items() if value != expected.get(key)]
    return ", ".join(parts) or convention


def compare_all(scores: pd.DataFrame) -> pd.DataFrame:
    """Columns of `CELL`, variant, metrics, compared, those of `analysis.paired`, iterations, rates.

    Metrics are those that `shown_of` names, in the order of tables. The difference of the `compared` one, above zero
    where better, is to the variant that comes first, on the edits (seed, record) that both have; the correction is
    over all comparisons of a T on the same records. Rows of the first variant have no difference.
    """
    rows: list[dict[str, Any]] = []
    found: dict[tuple, dict[int, Comparison]] = {}  # by records and T, and by place in `rows`
    for cell, group in scores.groupby(CELL, sort=True):
        shown = shown_of(setting_of(group["metric"].unique()), group["metric"], several_memories(group))
        group = group[group["metric"].isin(shown)]
        averages = comparable(group, shown[-1])
        variants = list(dict.fromkeys(group["variant"]))
        for variant in variants:
            own = group[group["variant"] == variant]
            means = own.groupby(["metric", "seed"])["value"].mean().groupby("metric").mean()
            row = {**dict(zip(CELL, cell, strict=True)), "variant": variant, **means, "compared": shown[-1]}
            if variant != variants[0]:
                other = averages[averages["variant"] == variants[0]]
                comparison = compare(averages[averages["variant"] == variant], other, shown[-1])
                if comparison is not None:
                    found.setdefault((row["records"], row["T"]), {})[len(rows)] = comparison
            rates = {name: own[name].mean() for name in RATES if name in own}
            rows.append(row | {"iterations": own["iterations"].mean()} | rates)
    frame = pd.DataFrame(rows)
    metrics = [metric for metric in METRICS if metric in frame]
    families = [described(list(family.values())).set_axis(list(family)) for family in found.values()]
    tested = pd.concat(families) if families else pd.DataFrame(columns=COMPARED)
    rates = [name for name in RATES if name in frame]
    return frame.join(tested)[[*CELL, "variant", *metrics, "compared", *COMPARED, "iterations", *rates]]


def to_markdown(compared: pd.DataFrame) -> str:
    """A table for each dataset, model and editor; bold where the corrected p-value is below 0.05."""
    averages = " or ".join(METRICS[metric].title for metric in compared["compared"].unique())
    parts = [
        f"Difference of {averages} to the first row on the same edits, above zero where better. "
        f"{intervals(compared.dropna(subset='difference'))} Bold: p below {ALPHA} after Holm's correction over the "
        "comparisons of a T; in parentheses the true difference that would have been found so with a chance of 80%.\n"
    ]
    for title, group in settings(by_records(compared)):
        for editor in in_order(group["editor"]):
            header, rows = _cells(group[group["editor"] == editor], "**{}**")
            parts += [f"## {editor_style(editor).label} on {title}\n", markdown(header, rows)]
    return "\n".join(parts)


def to_latex(compared: pd.DataFrame) -> str:
    """The same tables with booktabs."""
    parts = []
    for title, group in settings(by_records(compared)):
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


def _cells(compared: pd.DataFrame, bold: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows for one editor: metrics and rates at the largest T, the average and its difference at every T."""
    counts = sorted(compared["T"].unique(), reverse=True)
    shown = [metric for metric in METRICS if metric in compared and compared[metric].notna().any()]
    average = compared["compared"].iloc[0]
    header = ["Variant", *(f"T={counts[0]} {METRICS[metric].title}" for metric in shown)]
    for count in counts:
        header += [f"T={count} {METRICS[average].title}"] if count != counts[0] else []
        header += [f"T={count} difference"]
    routed_by = [name for name in RATES if name in compared and compared[name].notna().any()]
    wide = compared.set_index(["variant", "T"])
    rows = []
    for variant in dict.fromkeys(compared["variant"]):
        row = [variant, *(number(wide.loc[(variant, counts[0]), metric], 3) for metric in shown)]
        for count in counts:
            cell = wide.loc[(variant, count)]
            row += [number(cell[average], 3)] if count != counts[0] else []
            row += [_difference(cell, bold)]
        rates = [number(wide.loc[(variant, counts[0]), name]) for name in routed_by]
        rows.append([*row, *rates, number(cell["iterations"], 1)])
    return [
        *header,
        *(f"T={counts[0]} {name.removesuffix('_rate')} to memory" for name in routed_by),
        "Iterations",
    ], rows


def _difference(cell: pd.Series, bold: str) -> str:
    if pd.isna(cell["difference"]):
        return "–"
    text = f"{cell['difference']:+.3f}"
    shown = bold.format(text) if cell["p_holm"] < ALPHA else text
    return f"{shown} [{cell['low']:+.3f}, {cell['high']:+.3f}] ({cell['detectable']:.3f})"


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
