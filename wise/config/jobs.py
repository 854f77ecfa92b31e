"""What each edit job is told: those of the main comparison, and those of the studies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from wise.config import plan
from wise.config.studies import STUDIES
from wise.config.study_kinds import STREAM, Point
from wise.config.tuned import Entry
from wise.editors.entries import EDITORS
from wise.errors import ConfigError
from wise.slices import Slice


class EditJob(NamedTuple):
    """One job that edits a stream and asks after every T of the grid.

    `part` is the slice of the records that its seed edits, None where all seeds edit the same. `records` says which of
    the dataset's edits these are, a key of `RECORDS`. `tuned` is the digest of the search that chose options of it,
    empty where none did. `fluency`: edits behind whose prompts a longer text is written. With `oracle` the
    memory that holds an edit is also asked, whatever the router says.
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
    oracle: bool = False
    fluency: str = "none"


def main_job(config: Mapping[str, Any], dataset: str, model: str, editor: str, seed: int) -> EditJob:
    """A job of the main comparison."""
    place = (dataset, model, editor)
    layer, asked = plan.layer(config, *place), plan.evaluation(config, dataset)
    options = _seeded(config, dataset, editor, plan.options(config, *place), seed)
    part = plan.records_of_seed(config, dataset, seed)
    stream = asked["edits"], asked["grid"], asked["generate"], part
    tuned, fluency = _digest(plan.tuned(config, *place)), asked["fluency"]
    return EditJob(*place, seed, options, layer, *stream, tuned=tuned, fluency=fluency)


def study_points(config: Mapping[str, Any], study: str) -> dict[str, Point]:
    """Edit jobs of a study by their folders below `ablations/`; none for one that reads other runs or measures."""
    dataset, _ = plan.study_place(config)
    return {f"{study}/{point.path}": point for point in STUDIES[study].points(config, dataset)}


def study_job(config: Mapping[str, Any], study: str, point: Point) -> EditJob:
    """The job of one point of a study; raises `ConfigError` where the comparison lacks the editor."""
    if point.editor not in config["editors"]:
        raise ConfigError(f"study '{study}' compares '{point.editor}', which is not under 'editors'; add it")
    model, (edits, grid) = plan.study_place(config)[1], plan.study_stream(config, study)
    place = (point.dataset, model, point.editor)
    layer = point.layer[0] if point.layer else plan.layer(config, *place)
    overrides = [override.values for override in point.overrides]
    options, tuned = plan.options(config, *place, *overrides), _digest(plan.tuned(config, *place, *overrides))
    options = _seeded(config, point.dataset, point.editor, options, point.seed)
    part = plan.records_of_seed(config, point.dataset, point.seed, point.records)
    stream = edits, grid, STUDIES[study].generate, part
    return EditJob(*place, point.seed, options, layer, *stream, point.records, tuned, STUDIES[study].oracle)


def _seeded(
    config: Mapping[str, Any], dataset: str, editor: str, options: Mapping[str, Any], seed: int
) -> Mapping[str, Any]:
    """The options of a seed, which trains its own network where the configuration says so."""
    own = EDITORS[editor].trained and plan.evaluation(config, dataset)["training"] == "per_seed"
    return {"train_seed": seed, **options} if own else options


class ArtifactJob(NamedTuple):
    """One job that makes what an editor needs beside the edits."""

    editor: str
    options: Mapping[str, Any]
    layer: int | None


def artifact_name(config: Mapping[str, Any], job: EditJob) -> str | None:
    """What an edit job's artifact is called: as the editor's entry names it, for a trained one behind it a digest.

    The digest is of the options that the network depends on; those of the editor's shared main runs have none.
    """
    entry = EDITORS[job.editor]
    if not entry.trained or entry.artifact is None:
        return entry.artifact
    asked = _trained_by(job.editor, job.options, job.layer)
    if asked == _trained_by(job.editor, *_main_artifact(config, job.dataset, job.model, job.editor)):
        return entry.artifact
    return f"{entry.artifact}-{hashlib.sha256(asked.encode()).hexdigest()[:8]}"


def artifact_jobs(config: Mapping[str, Any], edit_jobs: Iterable[EditJob]) -> dict[tuple[str, str, str], ArtifactJob]:
    """By dataset, model and name every artifact of `edit_jobs` that is not that of the editor's main runs."""
    made = {}
    for job in edit_jobs:
        if EDITORS[job.editor].trained:
            name = artifact_name(config, job)
            made[job.dataset, job.model, name] = ArtifactJob(job.editor, _network(job.editor, job.options), job.layer)
    return {key: job for key, job in made.items() if key[2] != EDITORS[job.editor].artifact}


def every_edit_job(config: Mapping[str, Any]) -> Iterator[EditJob]:
    """The jobs of the main comparison, then of all studies whose editors it has."""
    for dataset, model in plan.pairs(config):
        for editor, seed in product(config["editors"], config["seeds"]):
            yield main_job(config, dataset, model, editor, seed)
    for study in STUDIES:
        for point in study_points(config, study).values():
            if point.editor in config["editors"]:
                yield study_job(config, study, point)


def shared_artifact(config: Mapping[str, Any], dataset: str, model: str, artifact: str) -> ArtifactJob:
    """What makes an artifact without a digest: the first editor of the comparison that needs it, with its options."""
    editor = plan.artifact_editor(config, artifact)
    return ArtifactJob(editor, *_main_artifact(config, dataset, model, editor))


def _main_artifact(
    config: Mapping[str, Any], dataset: str, model: str, editor: str
) -> tuple[Mapping[str, Any], int | None]:
    return plan.options(config, dataset, model, editor), plan.layer(config, dataset, model, editor)


def _network(editor: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a trained network depends on."""
    return {name: value for name, value in options.items() if name not in EDITORS[editor].edit_options}


def _trained_by(editor: str, options: Mapping[str, Any], layer: int | None) -> str:
    return json.dumps([editor, _network(editor, options), layer], sort_keys=True)


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
