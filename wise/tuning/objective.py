"""What a search makes as large as it can: the average score after few and after many edits.

Avg(T) is the mean of Rel, Gen and Loc, where Loc is the mean of near and far locality: an editor that leaves distant
questions alone but spoils those about the same subject does not win. What a dataset does not ask is left out, and
where it asks for no paraphrases, text about the edited fact (OOD) stands for them. The objective is the mean of Avg(T)
over the T of the search.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, cast

import pandas as pd

from wise.evaluate.metrics import METRICS, Measured
from wise.evaluate.scores import by_kind, measure
from wise.records import EditRecord

PARTS = ("rel", "gen", "ood", "loc_near", "loc_far")
"""Metrics that the objective is made of."""


def asked_for(records: Sequence[EditRecord]) -> list[EditRecord]:
    """The records with only those probes that the objective reads: the others would cost time alone."""
    kinds = {probe.kind for record in records for probe in record.probes}
    wanted = {cast(Measured, METRICS[name]).kind for name in PARTS}
    if "paraphrase" in kinds:
        wanted.discard("ood")
    return [replace(record, probes=tuple(p for p in record.probes if p.kind in wanted)) for record in records]


def scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means of `PARTS` over the rows of a transcript at one T, as far as they were asked, and their `avg`."""
    asked, parts = by_kind(pd.DataFrame(rows)), {name: cast(Measured, METRICS[name]) for name in PARTS}
    measured = {name: measure(asked[part.kind], part)["value"] for name, part in parts.items() if part.kind in asked}
    found = {name: float(values.mean()) for name, values in measured.items() if len(values)}
    return found | {"avg": average(found)}


def average(found: Mapping[str, float]) -> float:
    """Mean of reliability, generalization and locality, as far as there are scores of them."""
    locality = [found[name] for name in ("loc_near", "loc_far") if name in found]
    general = [found[name] for name in ("gen", "ood") if name in found][:1]
    return fmean([found["rel"], *general, *([fmean(locality)] if locality else [])])


def objective(averages: Iterable[float]) -> float:
    """The mean of Avg(T) over all T."""
    return fmean(averages)
