"""Cells of the WISE paper about single options, beside the variants of a study that set the same options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.text import markdown, number

PUBLISHED = Path(__file__).with_name("published_variants.csv")
"""Columns source, dataset, model, T, where (options as `merge=ties;shards=2`), metric and value."""

TITLES = {
    "rel": "Rel",
    "gen": "Gen",
    "loc": "Loc",
    "avg": "Avg",
    "retrieved": "Top-1",
    "rel_gain": "change of Rel",
    "gen_gain": "change of Gen",
}
"""Metrics as the paper has them; a change is to the method without the option, or with all parts."""
OURS = {"loc": "loc_far", "retrieved": "rel_retrieved"}
PLACE = ["source", "dataset", "model", "T"]


Scores = Mapping[tuple[str, str], float]
"""Scores by variant and metric."""


def beside(options: Mapping[str, Mapping[str, Any]], ours: Mapping[int, Scores]) -> str:
    """Markdown: measured scores and the published ones, for variants whose options the paper varies too.

    `options` of each variant by its name; `ours` holds scores by T. Published ones stand beside those of the same T, or
    of the largest where there are none. Empty where the paper has none.
    """
    found = matched(options, pd.read_csv(PUBLISHED))
    parts = []
    for place, cells in found.groupby(PLACE, sort=False):
        metrics = [metric for metric in TITLES if metric in set(cells["metric"])]
        source, dataset, model, T = place
        count = T if T in ours else max(ours)
        variants = cells.groupby("variant", sort=False)
        rows = [[variant, *_pair(ours[count], variant, own, metrics)] for variant, own in variants]
        titles = [TITLES[metric] for metric in metrics]
        header = ["Variant", *(f"T={count} {title}" for title in titles), *(f"published {title}" for title in titles)]
        parts += [f"Published: {source}, {model} on {dataset}, T={T}.\n", markdown(header, rows)]
    return "\n".join(parts)


def matched(options: Mapping[str, Mapping[str, Any]], published: pd.DataFrame) -> pd.DataFrame:
    """The published rows with the `variant` that they are about, in the order of variants.

    A row is about a variant that has its options, where not all variants have them: else they are not what is studied.
    """
    rows = []
    for variant, own in options.items():
        for cell in published.to_dict("records"):
            wanted = asked(cell["where"])
            if all(_same(own.get(name), value) for name, value in wanted.items()) and _varied(options, list(wanted)):
                rows.append({**cell, "variant": variant})
    found = pd.DataFrame(rows, columns=[*published.columns, "variant"])
    return found.sort_values("T", kind="stable")


def asked(where: str) -> dict[str, str]:
    """The options that a published cell is about, as texts."""
    return dict(part.split("=") for part in where.split(";"))


def _varied(options: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> bool:
    return any(len({str(own.get(name)) for own in options.values()}) > 1 for name in names)


def _same(value: Any, wanted: str) -> bool:
    """Whether an option has a value as it is written in the file; numbers count as equal whatever their digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).lower() == wanted
    try:
        return float(value) == float(wanted)
    except ValueError:
        return False


def _pair(ours: Scores, variant: Any, cells: pd.DataFrame, metrics: list[str]) -> list[str]:
    published = dict(zip(cells["metric"], cells["value"], strict=True))
    first = next(iter(ours), ("", ""))[0]
    return [
        *(number(_measured(ours, str(variant), first, metric), 3) for metric in metrics),
        *(number(published.get(metric, float("nan"))) for metric in metrics),
    ]


def _measured(ours: Scores, variant: str, first: str, metric: str) -> float:
    missing = float("nan")
    if metric.endswith("_gain"):
        name = metric.removesuffix("_gain")
        return ours.get((variant, name), missing) - ours.get((first, name), missing)
    return ours.get((variant, OURS.get(metric, metric)), missing)
