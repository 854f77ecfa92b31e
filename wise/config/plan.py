"""What a configuration asks for: which edits with which options, checked before the first job starts.

The rules ask these functions instead of digging in the configuration themselves. Keys and types are the
business of `wise.config.model`; here is what concerns several keys: that names exist and numbers fit together.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wise.config.model import DataFiles
from wise.config.sources import check_source
from wise.config.studies import STUDIES, TIMED_AFTER
from wise.config.study import Study
from wise.config.study_kinds import STREAM
from wise.config.tuned import BASES, Entry, entry_of, read_tuned
from wise.datasets import registry
from wise.datasets.own.options import OwnOptions
from wise.datasets.own.split import read_own
from wise.datasets.registry import RAW, STREAMS
from wise.editors.entries import EDITORS
from wise.errors import ConfigError, DataError, unknown
from wise.evaluate.grid import plan_runs
from wise.options import build_options
from wise.slices import Slice

USUAL_EDITS = 300
"""Edits of a stream where the configuration names no number; of one's own data, all."""

USUAL_CHUNKS = (40, 8, 2)
"""Chunks of T = 1, 10, 100, as far as the edits go, where the configuration names no grid; 1 for every larger T."""


def own_datasets(config: Mapping[str, Any]) -> list[str]:
    """Names that the section `data` gives to one's own files of edits."""
    return [name for name in config["data"] if name not in (*DataFiles.model_fields, *registry.DATASETS)]


def own_options(config: Mapping[str, Any], dataset: str) -> OwnOptions:
    """Where one's own data are; raises `ConfigError`, naming the key, for options that it does not have."""
    return build_options(OwnOptions, config["data"][dataset], f"data.{dataset}")


def own_files(config: Mapping[str, Any], dataset: str) -> list[str]:
    """The files that a dataset of one's own is made from; none for another."""
    if dataset not in own_datasets(config):
        return []
    return own_options(config, dataset).paths()


def streams(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Every edit stream that this configuration can ask for."""
    return (*STREAMS, *own_datasets(config))


def evaluation(config: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """The evaluation settings of one dataset: the common ones, overridden by those under its name.

    Where neither names `edits` or `grid`, these are as many as are usual, or as one's own data have.
    """
    common = {key: value for key, value in config["evaluation"].items() if key != "datasets"}
    asked = {**common, **config["evaluation"]["datasets"].get(dataset, {})}
    if asked["edits"] is None:
        own = dataset in own_datasets(config)
        asked["edits"] = len(read_own(own_options(config, dataset)).edits) if own else USUAL_EDITS
    if asked["grid"] is None:
        asked["grid"] = usual_grid(asked["edits"])
    return asked


def available(config: Mapping[str, Any], dataset: str, records: str = STREAM) -> int:
    """How many of a dataset's edits there are for a seed: as many as are reported, or as trials of a search edit."""
    return evaluation(config, dataset)["edits"] if records == STREAM else config["tuning"]["edits"]


def records_of_seed(config: Mapping[str, Any], dataset: str, seed: int, records: str = STREAM) -> Slice | None:
    """Which of the dataset's `records` a seed edits, in studies too; None where all seeds edit the same.

    Slices are given out in the order of `seeds`, then to seeds that only studies name.
    """
    if evaluation(config, dataset)["records"] == "shared":
        return None
    sections = (config["ablations"][name] for name in STUDIES)
    seeds = dict.fromkeys([*config["seeds"], *(own for section in sections for own in section.get("seeds", ()))])
    return Slice(list(seeds).index(seed), available(config, dataset, records))


def usual_grid(edits: int) -> dict[str, int]:
    """T = 1, 10, 100, ... below the number of edits, and all of them, to the number of chunks."""
    grid, T, chunks = {}, 1, iter(USUAL_CHUNKS)
    while T < edits:
        grid[str(T)] = min(edits // T, next(chunks, 1))
        T *= 10
    return grid | {str(edits): 1}


def study_stream(config: Mapping[str, Any], study: str) -> tuple[int, dict[str, int]]:
    """Edits and grid of a study that edits; what its section leaves open is the usual, as far as there are edits."""
    points, known = STUDIES[study].points(config, study_place(config)[0]), streams(config)
    places = {(point.dataset, point.records) for point in points if point.dataset in known}
    return STUDIES[study].stream(
        config["ablations"][study], min((available(config, *place) for place in places), default=1)
    )


def overhead_sizes(config: Mapping[str, Any]) -> list[int]:
    """Numbers of edits after which inference is timed."""
    held = available(config, study_place(config)[0])
    asked = config["ablations"]["overhead"]["T"]
    return asked or sorted({min(T, held) for T in TIMED_AFTER})


def written_options(
    config: Mapping[str, Any], model: str, editor: str, *overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """What the configuration itself says of an editor on a model, its `layer` included.

    The model's own options for the editor win over the common ones, and later `overrides` over both.
    """
    if editor not in config["editors"]:
        raise unknown("editor", editor, config["editors"])
    merged = dict(config["editors"][editor])
    for override in (_own_options(config, model, editor), *overrides):
        merged.update(override)
    return merged


def tuned(
    config: Mapping[str, Any], dataset: str, model: str, editor: str, *overrides: Mapping[str, Any]
) -> Entry | None:
    """The tuned options that hold below what is written; None where the file `tuned` has none.

    Neither where an option is written that others start from, such as a convention: see `wise.config.tuned.BASES`.
    """
    written = written_options(config, model, editor, *overrides)
    return None if any(name in written for name in BASES) else entry_of(config, dataset, model, editor)


def options(
    config: Mapping[str, Any], dataset: str, model: str, editor: str, *overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """Options of an editor's config dataclass on a dataset and model; `layer` is not one of them.

    Tuned options come first, what is written (see `written_options`) wins over them.
    """
    entry = tuned(config, dataset, model, editor, *overrides)
    merged = {**(entry.options if entry else {}), **written_options(config, model, editor, *overrides)}
    return {key: value for key, value in merged.items() if key != "layer"}


def layer(config: Mapping[str, Any], dataset: str, model: str, editor: str) -> int | None:
    """The edited layer: what the model says of this editor, else the editor's, else the tuned one, else the model's.

    None where nobody says: the editor then takes its published depth.
    """
    entry = tuned(config, dataset, model, editor)
    return written_options(config, model, editor).get(
        "layer", (entry.options if entry else {}).get("layer", config["models"][model]["layer"])
    )


def _own_options(config: Mapping[str, Any], model: str, editor: str) -> Mapping[str, Any]:
    return config["models"][model]["editors"].get(editor, {})


def pairs(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Datasets with the models that are evaluated on them: all, unless a model names its own."""
    return [
        (dataset, name)
        for dataset in config["datasets"]
        for name, model in config["models"].items()
        if dataset in (model["datasets"] or config["datasets"])
    ]


def study_place(config: Mapping[str, Any]) -> tuple[str, str]:
    """Dataset and model of the ablations: the named ones, or the first of each."""
    ablations = config["ablations"]
    return ablations["dataset"] or config["datasets"][0], ablations["model"] or next(iter(config["models"]))


def artifact_editor(config: Mapping[str, Any], artifact: str) -> str:
    """The editor that makes an artifact: the first of the comparison that needs it."""
    return next(name for name in config["editors"] if EDITORS[name].artifact == artifact)


def is_fetched(config: Mapping[str, Any], model: str) -> bool:
    """Whether a model has to be copied from the hub: `path` is no folder at hand."""
    described = config["models"][model]
    return described["source"] == "hub" and not Path(described["path"]).is_dir()


def model_path(config: Mapping[str, Any], model: str) -> str:
    """The folder that a model is loaded from: among the results where the workflow makes or fetches it, or its own."""
    described = config["models"][model]
    if described["source"] in ("pretrain", "gguf"):
        return f"{config['results']}/models/{model}"
    return f"{config['results']}/hub/{model}" if is_fetched(config, model) else described["path"]


def dataset_options(config: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """Options of a dataset; of one with raw files also where these are by then, and what becomes of faulty records."""
    files = {"files": f"{config['results']}/downloads", "offline": True, "invalid": config["data"]["invalid"]}
    return (files if dataset in RAW else {}) | config["data"][dataset]


def check(config: Mapping[str, Any]) -> None:
    """Raise `ConfigError`, naming the key and the valid choices, for a configuration that no run could follow.

    It is complete (`wise.config.model.complete`).
    """
    for name in own_datasets(config):
        _check_own(config, name)
    known = streams(config)
    for dataset in (*config["datasets"], *config["evaluation"]["datasets"]):
        if dataset not in known:
            place = "datasets" if dataset in config["datasets"] else "evaluation.datasets"
            raise ConfigError(f"{place}: {unknown('dataset', dataset, known)}")
    for editor in config["editors"]:
        if editor not in EDITORS:
            raise ConfigError(f"editors: {unknown('editor', editor, EDITORS)}")
    for name, model in config["models"].items():
        _check_model(config, name, model)
    for dataset in config["datasets"]:
        if dataset not in {evaluated for evaluated, _ in pairs(config)}:
            raise ConfigError(f"datasets: no model is evaluated on '{dataset}', see the models' own 'datasets'")
        asked = evaluation(config, dataset)
        _check_grid(f"evaluation of {dataset}", asked["grid"], asked["edits"])
    _check_grid("tuning", config["tuning"]["grid"], config["tuning"]["edits"])
    _check_tuned(config)
    _check_ablations(config)


def _check_tuned(config: Mapping[str, Any]) -> None:
    """Names in the file of tuned options exist; it may hold datasets that are not evaluated on here."""
    if not config["tuned"]:
        return
    for dataset, models in read_tuned(config["tuned"]).items():
        if dataset not in streams(config):
            raise ConfigError(f"{config['tuned']}: {unknown('dataset', dataset, streams(config))}")
        for model in models:
            if model not in config["models"]:
                raise ConfigError(f"{config['tuned']}: {dataset}: {unknown('model', model, config['models'])}")


def _check_own(config: Mapping[str, Any], name: str) -> None:
    """One's own data: a name that is free, files that can be read, and no more edits asked for than they hold."""
    if name in STREAMS:
        raise ConfigError(f"data.{name}: a stream of the embedded or published datasets has this name; choose another")
    options = own_options(config, name)
    if name not in config["datasets"]:
        return
    try:
        held = len(read_own(options).edits)
    except DataError as error:
        raise ConfigError(f"data.{name}: {error}") from error
    asked = evaluation(config, name)["edits"]
    if asked > held:
        own = config["evaluation"]["datasets"].get(name, {}).get("edits") is not None
        key = f"evaluation.datasets.{name}.edits" if own else "evaluation.edits"
        shares = {"train_share": options.train, "development_share": options.development}
        taken = [f"{name} {getattr(options, name):g}" for name, file in shares.items() if not file]
        aside = f" (some of the file are set aside: {', '.join(taken)})" if taken else ""
        raise ConfigError(
            f"{key} is {asked}, but data.{name} has {held} edits{aside}; set evaluation.datasets.{name}.edits to at "
            "most that, or leave it out to take all"
        )


def _check_model(config: Mapping[str, Any], name: str, model: Mapping[str, Any]) -> None:
    check_source(f"models.{name}", model)
    for dataset in model["datasets"]:
        if dataset not in config["datasets"]:
            raise ConfigError(f"models.{name}.datasets: {unknown('dataset', dataset, config['datasets'])}")
    for editor in model["editors"]:
        if editor not in config["editors"]:
            raise ConfigError(f"models.{name}.editors: {unknown('editor', editor, config['editors'])}")


def _check_grid(where: str, grid: Mapping[str, int], edits: int) -> None:
    try:
        plan_runs({int(size): chunks for size, chunks in grid.items()}, edits)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _check_ablations(config: Mapping[str, Any]) -> None:
    ablations = config["ablations"]
    dataset, model = study_place(config)
    if dataset not in config["datasets"]:
        raise ConfigError(f"ablations.dataset: {unknown('dataset', dataset, config['datasets'])}")
    if model not in config["models"]:
        raise ConfigError(f"ablations.model: {unknown('model', model, config['models'])}")
    if (dataset, model) not in pairs(config):
        raise ConfigError(f"ablations: the model '{model}' is not evaluated on '{dataset}'; name another of them")
    for study in STUDIES.values():
        _check_study(config, study, study.name in ablations["include"])


def _check_study(config: Mapping[str, Any], study: Study, included: bool) -> None:
    """One that is not included may name editors that this comparison does not have, and more edits."""
    asked, where = config["ablations"][study.name], f"ablations.{study.name}"
    named = asked.get("editors", [asked["editor"]] if "editor" in asked else [])
    for editor in [*named, *([asked["beside"]] if asked.get("beside") else [])]:
        if included and editor not in config["editors"]:
            raise ConfigError(f"{where}: {unknown('editor', editor, config['editors'])}")
    points = study.points(config, study_place(config)[0])
    edits, grid = study_stream(config, study.name) if points else (0, {})
    for dataset, records in dict.fromkeys((point.dataset, point.records) for point in points):
        if dataset not in streams(config):
            raise ConfigError(f"{where}.datasets: {unknown('dataset', dataset, streams(config))}")
        held = available(config, dataset, records)
        if included and edits > held:
            whose = f"the evaluation of {dataset}" if records == STREAM else "tuning.edits"
            raise ConfigError(f"{where}.edits is {edits}, {whose} has only {held}")
    if points:
        _check_grid(where, grid, edits)
