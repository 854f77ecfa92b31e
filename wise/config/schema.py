"""config/schema.yaml: the keys of a configuration for people's text editors, made from the models.

Beside `wise.config.model` it describes the options of every editor, whose modules import torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import TypeAdapter

from wise.config.model import Configuration
from wise.datasets.registry import DATASETS, OWN, options_class
from wise.editors.entries import EDITORS
from wise.editors.registry import editor_class
from wise.options import described
from wise.pretraining.recipe import PretrainOptions

HEAD = """\
# Every key of a configuration with its meaning and default. Made from wise/config/model.py and the classes of options;
# change those, then run: python -m wise check --schema > config/schema.yaml
"""

FIRST = ("$schema", "title", "description", "$ref", "type", "enum", "default")
"""Order in which a key is described; what else is said of it follows."""

WIDTH = 120
"""Characters of a line."""

LAYER = {"description": "Layer that this editor changes, where it is not the model's.", "type": "integer", "minimum": 0}


def schema_text() -> str:
    """The schema as YAML."""
    return HEAD + yaml.dump(schema(), Dumper=_Compact, sort_keys=False, width=WIDTH, allow_unicode=True)


def schema() -> dict[str, Any]:
    """The JSON schema of a configuration (draft 2020-12)."""
    made = Configuration.model_json_schema()
    definitions, data = made["$defs"], made["$defs"]["Data"]
    for name, entry in DATASETS.items():
        kind = options_class(entry)
        data["properties"][name] = _told(data["properties"][name]) | _reference(definitions, kind.__name__, kind)
    data["additionalProperties"] = _reference(definitions, "OwnOptions", options_class(OWN))
    model = definitions["Model"]["properties"]
    model["pretrain"] = _told(model["pretrain"]) | _reference(definitions, "PretrainOptions", PretrainOptions)
    own = [name for name, entry in EDITORS.items() if entry.module.startswith("wise.")]  # other packages may add some
    editors = {name: _reference(definitions, name, editor_class(name).Config) for name in own}
    for name in own:
        definitions[name]["properties"] = {"layer": LAYER} | definitions[name]["properties"]
    for place in (made["properties"], model):
        place["editors"].pop("patternProperties")
        place["editors"] |= {"properties": editors, "additionalProperties": {"type": "object"}}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Configuration of the workflow"}
    return head | _tidy(_inlined(made))


def _told(key: dict[str, Any]) -> dict[str, Any]:
    """What is said of a key itself, not of what it holds."""
    return {name: key[name] for name in ("description", "default")}


def _reference(definitions: dict[str, Any], name: str, kind: type) -> dict[str, str]:
    """Define the options of `kind` under `name`, and refer to them."""
    made = TypeAdapter(kind).json_schema()
    properties = made.setdefault("properties", {})
    for option in described(kind):
        properties[option.name]["description"] = option.description
    definitions[name] = {key: made[key] for key in made if key != "description"}
    return {"$ref": f"#/$defs/{name}"}


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (part[key] for key in part if key == "$ref")
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _references(inner)


def _inlined(made: dict[str, Any]) -> dict[str, Any]:
    """With definitions that are used once put where they are used."""
    uses, definitions = Counter(_references(made)), made.pop("$defs")

    def resolved(part: Any) -> Any:
        if isinstance(part, list):
            return [resolved(item) for item in part]
        if not isinstance(part, dict):
            return part
        if uses[part.get("$ref", "")] == 1:
            reference = part["$ref"].removeprefix("#/$defs/")
            part = definitions[reference] | {key: part[key] for key in part if key != "$ref"}
        return {key: resolved(value) for key, value in part.items()}

    kept = {name: resolved(body) for name, body in definitions.items() if uses[f"#/$defs/{name}"] > 1}
    return resolved(made) | {"$defs": kept}


def _tidy(part: Any) -> Any:
    """Without the titles that pydantic makes of names, in a steady order, descriptions on one line."""
    if isinstance(part, list):
        return [_tidy(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {key: value for key, value in part.items() if not (key == "title" and isinstance(value, str))}
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split())
    ordered = [key for key in FIRST if key in kept] + [key for key in kept if key not in FIRST]
    return {key: _tidy(kept[key]) for key in ordered}


class _Compact(yaml.SafeDumper):
    """What holds no other mapping stands on one line if it fits."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        """See `yaml.SafeDumper`."""
        node = super().represent_mapping(tag, mapping, flow_style)
        simple = not any(isinstance(value, yaml.MappingNode) and value.value for _, value in node.value)
        node.flow_style = simple and len(str(mapping)) < WIDTH - 20
        return node

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        """See `yaml.SafeDumper`."""
        return super().represent_sequence(tag, sequence, flow_style=True)

    def ignore_aliases(self, data: Any) -> bool:
        """Nothing is said by reference."""
        return True
