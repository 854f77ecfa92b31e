"""Whether models and editors take what a configuration gives them, found out before any job has started.

Options are described where they are used, in modules that import torch. Rules are parsed anew for every job and ask
only what is known without it (`wise.config.plan.check`); this is asked once, when a
run starts, and by the verb `check`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from wise.config import plan
from wise.editors.registry import editor_class
from wise.errors import ConfigError
from wise.files import read_json
from wise.options import build_options, mistakes
from wise.pretraining.recipe import PretrainOptions

Part = tuple[str, Mapping[str, Any]]
"""Options as they are written in one place of the configuration, behind the key of that place."""


class Use(NamedTuple):
    """An editor as some job will make it; `keys` says where in the configuration each of its options is written."""

    model: str
    editor: str
    options: Mapping[str, Any]
    keys: Mapping[str, str]
    layer: int
    layer_key: str


def check_options(config: Mapping[str, Any], studies: Collection[str]) -> None:
    """Raise `ConfigError` for an option or a layer that an editor of the comparison or of `studies` would refuse.

    `config` has passed `plan.check`. The message opens with the key, such as `editors.ft-l.lrr`. Layers are counted
    where the model is trained here, or its folder at hand.
    """
    layers = {model: _layer_count(config, model) for model in config["models"]}
    for use in uses(config, studies):
        _check_use(use, layers[use.model])


def uses(config: Mapping[str, Any], studies: Collection[str]) -> Iterator[Use]:
    """Every editor of the comparison on every model, then those of the studies."""
    for model, editor in product(config["models"], config["editors"]):
        yield _use(config, model, editor)
    model = plan.study_place(config)[1]
    for study in plan.STREAM_STUDIES:
        if study in studies:
            yield from _stream_uses(config, study, model)
    if "overhead" in studies:
        place = config["models"][model]["layer"], f"models.{model}.layer"
        for editor in config["ablations"]["overhead"]["editors"]:
            yield _use(config, model, editor, place=place)


def _stream_uses(config: Mapping[str, Any], study: str, model: str) -> Iterator[Use]:
    """What the edit jobs of one study make, as rules/ablations.smk tells them."""
    where, asked = f"ablations.{study}", config["ablations"][study]
    common = f"{where}.options", asked["options"]
    if study == "layer":
        for layer in asked["layer"]:
            yield _use(config, model, asked["editor"], common, place=(layer, f"{where}.layer"))
    elif study == "shards":
        for k, rho in product(asked["k"], asked["rho"]):
            use = _use(config, model, asked["editor"], common, (where, {"shards": k, "rho": float(rho)}))
            yield use._replace(keys={**use.keys, "shards": f"{where}.k"})
    else:
        for editor, (variant, values) in product(asked["editors"], asked["variants"].items()):
            if editor in config["editors"]:  # a study that is not included may name others
                yield _use(config, model, editor, common, (f"{where}.variants.{variant}", values))


def _use(config: Mapping[str, Any], model: str, editor: str, *parts: Part, place: tuple[int, str] | None = None) -> Use:
    """An editor with what a study says in `parts` over its options in the comparison, and perhaps at another layer."""
    common = f"editors.{editor}", config["editors"][editor]
    own = f"models.{model}.editors.{editor}", config["models"][model]["editors"].get(editor, {})
    for where, values in parts:
        if "layer" in values:
            raise ConfigError(f"{where}.layer: no option of a study, which keeps the layer of the main comparison")
    if place is None:
        holders = [f"{where}.layer" for where, values in (own, common) if "layer" in values]
        place = plan.layer(config, model, editor), (holders or [f"models.{model}.layer"])[0]
    options = plan.options(config, editor, *(values for _, values in parts), model=model)
    keys = {option: f"{where}.{option}" for where, values in (common, own, *parts) for option in values}
    return Use(model, editor, options, keys, *place)


def _check_use(use: Use, layers: int | None) -> None:
    kind = editor_class(use.editor)
    for option, complaint in mistakes(kind.Config, use.options):
        if option in use.keys:
            raise ConfigError(f"{use.keys[option]}: {complaint}")
        alone = [key for key, value in use.options.items() if ("", complaint) in mistakes(kind.Config, {key: value})]
        raise ConfigError(f"{', '.join(use.keys[key] for key in alone or use.options)}: {complaint}")
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
    found = read_json(file) if file.is_file() else {}
    return found.get("num_hidden_layers", found.get("n_layer"))
