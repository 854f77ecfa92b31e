"""Whether models and editors take what a configuration gives them, found out before any job has started.

Options are described where they are used, in modules that import torch. Rules are parsed anew for every job and ask
only what is known without it (`wise.config.plan.check`); this is asked once, when a
run starts, and by the verb `check`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from wise.config import plan
from wise.config.studies import STUDIES
from wise.config.study import Study
from wise.config.study_kinds import Measured, Override
from wise.config.tuned import BASES
from wise.documents import read_text
from wise.editors.registry import editor_class
from wise.errors import ConfigError, refusing
from wise.options import build_options, mistakes
from wise.pretraining.recipe import PretrainOptions


class Use(NamedTuple):
    """An editor as some job will make it; `keys` says where in the configuration each of its options is written."""

    model: str
    editor: str
    options: Mapping[str, Any]
    keys: Mapping[str, str]
    layer: int | None
    layer_key: str


def check_options(config: Mapping[str, Any], studies: Collection[str]) -> None:
    """Raise `ConfigError` for an option or a layer that an editor of the comparison or of `studies` would refuse.

    `config` has passed `plan.check`. The message opens with the key, such as `editors.ft-l.lrr`. Layers are counted
    where the model is trained here, or its folder at hand.
    """
    layers = {model: _layer_count(config, model) for model in config["models"]}
    for use in uses(config, studies):
        _check_use(use, layers[use.model])
    for layer, (model, count) in product(config["tuning"]["layers"], layers.items()):
        if count is not None and layer >= count:
            raise ConfigError(f"tuning.layers: layer {layer} does not exist: '{model}' has layers 0 to {count - 1}")


def uses(config: Mapping[str, Any], studies: Collection[str]) -> Iterator[Use]:
    """Every editor of the comparison on every dataset and model, then those of the studies."""
    for dataset, model in plan.pairs(config):
        for editor in config["editors"]:
            yield _use(config, dataset, model, editor)
    for study in STUDIES.values():
        if study.name in studies:
            yield from _study_uses(config, study, *plan.study_place(config))


def _study_uses(config: Mapping[str, Any], study: Study, dataset: str, model: str) -> Iterator[Use]:
    """What the jobs of one study make."""
    for point in study.points(config, dataset):
        if point.editor in config["editors"]:  # a study that is not included may name others
            yield _use(config, point.dataset, model, point.editor, *point.overrides, place=point.layer)
    if isinstance(study.runs, Measured):
        place = config["models"][model]["layer"], f"models.{model}.layer"
        for editor in config["ablations"][study.name]["editors"]:
            yield _use(config, dataset, model, editor, place=place)


def _use(
    config: Mapping[str, Any],
    dataset: str,
    model: str,
    editor: str,
    *overrides: Override,
    place: tuple[int | None, str] | None = None,
) -> Use:
    """An editor with what a study says over its options in the comparison, and perhaps at another layer."""
    entry = plan.tuned(config, dataset, model, editor, *(override.values for override in overrides))
    where = f"{config['tuned']}: {dataset}.{model}.{editor}.options"
    tuned = Override.written(where, entry.options if entry else {})
    common = Override.written(f"editors.{editor}", config["editors"][editor])
    own = Override.written(f"models.{model}.editors.{editor}", config["models"][model]["editors"].get(editor, {}))
    for override in overrides:
        if "layer" in override.values:
            key = override.keys["layer"]
            raise ConfigError(f"{key}: no option of a study, which keeps the layer of the main comparison")
    if place is None:
        holders = [part.keys["layer"] for part in (own, common, tuned) if "layer" in part.values]
        place = plan.layer(config, dataset, model, editor), (holders or [f"models.{model}.layer"])[0]
    options = plan.options(config, dataset, model, editor, *(override.values for override in overrides))
    keys = {option: key for part in (tuned, common, own, *overrides) for option, key in part.keys.items()}
    return Use(model, editor, options, keys, *place)


def _check_use(use: Use, layers: int | None) -> None:
    kind = editor_class(use.editor)
    for option, complaint in mistakes(kind.Config, use.options):
        if option in use.keys:
            raise ConfigError(f"{use.keys[option]}: {complaint}")
        start = {key: value for key, value in use.options.items() if key in BASES}
        alone = [
            key for key, value in use.options.items() if ("", complaint) in mistakes(kind.Config, start | {key: value})
        ]
        raise ConfigError(f"{', '.join(use.keys[key] for key in alone or use.options)}: {complaint}")
    if use.layer is None:
        return  # the editor's published depth, which every model has
    if type(use.layer) is not int or use.layer < 0:
        raise ConfigError(f"{use.layer_key}: must be a layer, counted from 0, found {use.layer!r}")
    if layers is not None and use.layer >= layers:
        raise ConfigError(
            f"{use.layer_key}: layer {use.layer} does not exist: '{use.model}' has layers 0 to {layers - 1}"
        )
    count = kind.layers(build_options(kind.Config, use.options, use.editor))
    if count > use.layer + 1:
        key = use.keys.get("layers", f"editors.{use.editor}.layers")
        raise ConfigError(f"{key}: {count} layers do not end at layer {use.layer} ({use.layer_key})")


def _layer_count(config: Mapping[str, Any], model: str) -> int | None:
    """Layers of a model as far as its configuration or its folder tell; None where it has yet to be fetched."""
    described = config["models"][model]
    if described["source"] == "pretrain":
        return build_options(PretrainOptions, described["pretrain"], f"models.{model}.pretrain").layers
    file = Path(plan.model_path(config, model), "config.json")
    if not file.is_file():
        return None
    with refusing(f"models.{model}.path: {file}: not a model's config", ConfigError):
        found = json.loads(read_text(file))
        count = found.get("num_hidden_layers", found.get("n_layer"))
    return count if type(count) is int else None
