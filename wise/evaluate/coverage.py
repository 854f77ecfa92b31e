"""Which metrics some edits can be scored with, known from the questions that they bring."""

from __future__ import annotations

from collections.abc import Sequence

from wise.evaluate.metrics import METRICS, Derived, Measured
from wise.records import EditRecord


def coverage(records: Sequence[EditRecord]) -> dict[str, int]:
    """How many of the edits get a value of each metric, by its name; see `wise.evaluate.scores`."""
    kinds = [{probe.kind for _, probe in record.questions()} for record in records]
    return {name: sum(_scored(name, asked) for asked in kinds) for name in METRICS}


def _scored(name: str, asked: set[str]) -> bool:
    metric = METRICS[name]
    if isinstance(metric, Derived):
        return all(_scored(part, asked) for part in metric.parts)
    return isinstance(metric, Measured) and metric.kind in asked
