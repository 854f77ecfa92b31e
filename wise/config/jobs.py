"""What each edit job is told: those of the main comparison, and those of the studies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from wise.config import plan
from wise.config.studies import STUDIES, Point
from wise.config.study_kinds import STREAM
from wise.config.tuned import Entry
from wise.slices import Slice


class EditJob(NamedTuple):
    """One job that edits a stream and asks after every T of the grid.

    `part` is the slice of the records that its seed edits, None where all seeds edit the same. `records` says which of
    the dataset's edits these are, a key of `RECORDS`. `tuned` is the digest of the search that chose options of it,
    empty where none did.
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
    records: str = STREAM
    tuned: str = ""


def main_job(config: Mapping[str, Any], dataset: str, model: str, editor: str, seed: int) -> EditJob:
    """A job of the main comparison."""
    place = (dataset, model, editor)
    options, layer, asked = plan.options(config, *place), plan.layer(config, *place), plan.evaluation(config, dataset)
    part = plan.records_of_seed(config, dataset, seed)
    stream = asked["edits"], asked["grid"], asked["generate"], part
    return EditJob(*place, seed, options, layer, *stream, tuned=_digest(plan.tuned(config, *place)))


def study_points(config: Mapping[str, Any], study: str) -> dict[str, Point]:
    """Edit jobs of a study by their folders below `ablations/`; none for one that reads other runs or measures."""
    dataset, _ = plan.study_place(config)
    return {f"{study}/{point.path}": point for point in STUDIES[study].points(config, dataset)}


def study_job(config: Mapping[str, Any], study: str, point: Point) -> EditJob:
    """The job of one point of a study."""
    model, (edits, grid) = plan.study_place(config)[1], plan.study_stream(config, study)
    place = (point.dataset, model, point.editor)
    layer = point.layer[0] if point.layer else plan.layer(config, *place)
    overrides = [override.values for override in point.overrides]
    options, tuned = plan.options(config, *place, *overrides), _digest(plan.tuned(config, *place, *overrides))
    part = plan.records_of_seed(config, point.dataset, point.seed, point.records)
    stream = edits, grid, STUDIES[study].generate, part
    return EditJob(*place, point.seed, options, layer, *stream, point.records, tuned)


class SearchJob(NamedTuple):
    """One job that searches the options of an editor; `options` are those that are written and not searched."""

    options: Mapping[str, Any]
    layer: int | None


def search_job(config: Mapping[str, Any], model: str, editor: str) -> SearchJob:
    """A search is told what is written alone: it does not depend on what an earlier one has found."""
    written = plan.written_options(config, model, editor)
    layer = written.pop("layer", config["models"][model]["layer"])
    return SearchJob(written, layer)


def _digest(entry: Entry | None) -> str:
    return entry.digest if entry else ""
