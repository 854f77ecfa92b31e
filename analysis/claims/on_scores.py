"""A claim's test on scores: which comparisons it makes on a dataset and model, and what they find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.claims.judge import Effect, effect
from analysis.claims.statement import MADE_BY, OnScores, Selection
from analysis.claims.values import KEYS, Source
from analysis.sampled import estimate_of
from analysis.style import editor_style
from analysis.tasks.by_task import SUCCESS
from wise.errors import NothingToShow
from wise.evaluate.metrics import METRICS

BOUNDED_AS = {SUCCESS: "rel_exact"}
"""Metrics that are put together of others, with one that has the same bounds."""


class Side(NamedTuple):
    """What is compared with: None for nothing, so that the mean itself is tested; `named` in the ledger."""

    selection: Selection | None
    named: str


def effects(test: OnScores, source: Source, editor: str | None, matters: float) -> list[Effect]:
    """Every comparison of a test that the scores of one dataset and model allow.

    Raises `NothingToShow` with the reason where they allow none.
    """
    sides = list(_sides(test, source))
    matters = matters if (test.against or test.by) and test.expect.within is None else 0.0
    counts = {metric: source.counts(test.T, metric) for metric in test.metric}
    if missing := [metric for metric, found in counts.items() if not found]:
        raise NothingToShow(f"no {', '.join(missing)} at T {_asked(test.T)} in {MADE_BY[test.study]}")
    made = []
    for metric in test.metric:
        for T in counts[metric]:
            own = source.values(metric, T, editor, test.where, test.task)
            for side in sides:
                rows = _differences(own, source, side.selection, metric, T, editor, test.task)
                if len(rows):
                    low, high = METRICS[BOUNDED_AS.get(metric, source.named(metric))].bounds
                    width = high - low
                    made.append(effect(estimate_of(rows), width if np.isfinite(width) else 0.0, test.expect, matters,
                                       T, source.named(metric), side.named))  # fmt: skip
    if not made:
        who = editor_style(editor).label if editor else "the variants compared"
        raise NothingToShow(f"no scores of {who} and what it is compared with in {MADE_BY[test.study]}")
    return made


def _sides(test: OnScores, source: Source) -> Iterator[Side]:
    """What the claim's own scores are compared with, one after the other."""
    if test.by:
        own = test.where.get(test.by)
        for value in source.choices(test.by):
            if value != own:
                yield Side(Selection(where={test.by: value}), f"{test.by} {value}")
        return
    for selection in test.against:
        yield Side(selection, _named(selection))
    if not test.against:
        yield Side(None, "")


def _differences(
    own: pd.DataFrame,
    source: Source,
    other: Selection | None,
    metric: str,
    T: int,
    editor: str | None,
    task: str | None,
) -> pd.DataFrame:
    """Columns seed, chunk, record, value: the scores themselves, or their differences to those of the other side."""
    if other is None:
        return own
    name = other.metric or metric
    at = source.counts(other.T or T, name)
    if not at:
        return own.iloc[:0]
    theirs = source.values(name, at[0], other.editor or editor, other.where, task)
    both = own.merge(theirs, on=KEYS, suffixes=("", "_other"))
    return both.assign(value=both["value"] - both["value_other"])


def _named(selection: Selection) -> str:
    """The other side in a few words."""
    parts = [editor_style(selection.editor).label] if selection.editor else []
    parts += [METRICS[selection.metric].title] if selection.metric in METRICS else []
    parts += [f"{selection.T} T" if isinstance(selection.T, str) else f"T={selection.T}"] if selection.T else []
    parts += [f"{name} {_plain(value)}" for name, value in selection.where.items()]
    return ", ".join(parts)


def _plain(value: Any) -> str:
    if isinstance(value, float | int | str | bool):
        return str(value).lower()
    if isinstance(value, list):
        return " or ".join(map(_plain, value))
    if value.low == float("-inf"):
        return f"to {value.high:g}"
    return f"from {value.low:g}" + (f" to {value.high:g}" if value.high < float("inf") else "")


def _asked(counts: Any) -> str:
    return f"above {counts.above}" if hasattr(counts, "above") else str(counts)


def needed_editors(test: OnScores) -> Mapping[str, None]:
    """Editors that the test compares with."""
    return dict.fromkeys(side.editor for side in test.against if side.editor)
