"""What each edit job is told: those of the main comparison, and those of the studies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from wise.config import plan
from wise.config.studies import STUDIES, Point
from wise.evaluate.slices import Slice


class EditJob(NamedTuple):
    """One job that edits a stream and asks after every T of the grid.

    `part` is the slice of the dataset that its seed edits, None where all seeds edit the same records.
    """

    dataset: str
    model: str
    editor: str
    seed: int
    options: Mapping[str, Any]
    layer: int | None
    edits: int
    grid: Mapping[str, int]
    generate: bool
    part: Slice | None


def main_job(config: Mapping[str, Any], dataset: str, model: str, editor: str, seed: int) -> EditJob:
    """A job of the main comparison."""
    options, layer = plan.options(config, editor, model=model), plan.layer(config, model, editor)
    asked = plan.evaluation(config, dataset)
    part = plan.records_of_seed(config, dataset, seed)
    stream = asked["edits"], asked["grid"], asked["generate"], part
    return EditJob(dataset, model, editor, seed, options, layer, *stream)


def study_points(config: Mapping[str, Any], study: str) -> dict[str, Point]:
    """Edit jobs of a study by their folders below `ablations/`; none for one that reads other runs or measures."""
    dataset, _ = plan.study_place(config)
    return {f"{study}/{point.path}": point for point in STUDIES[study].points(config, dataset)}


def study_job(config: Mapping[str, Any], study: str, point: Point) -> EditJob:
    """The job of one point of a study."""
    model, (edits, grid) = plan.study_place(config)[1], plan.study_stream(config, study)
    layer = point.layer[0] if point.layer else plan.layer(config, model, point.editor)
    options = plan.options(config, point.editor, *(override.values for override in point.overrides))
    place = (point.dataset, model, point.editor, point.seed)
    part = plan.records_of_seed(config, point.dataset, point.seed)
    return EditJob(*place, options, layer, edits, grid, STUDIES[study].generate, part)
