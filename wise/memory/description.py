"""What config.json of a saved memory has to say, key by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from wise.errors import printable, unknown
from wise.options import AtLeastOne, Count, choices_of, readable

SCHEMA = 2
"""Number of the layout of config.json; a folder of another one is refused."""

TENSORS, EDITS = "memory.safetensors", "edits.jsonl"
"""Files that config.json has digests of."""

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Closed(BaseModel):
    """A part of the description: other keys are refused, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Base(Closed):
    """The base model, see `wise.memory.manifest.base_of`."""

    name: Text
    sha256: Digest
    dtype: Text
    shape: Annotated[list[AtLeastOne], Field(min_length=2, max_length=2)]
    chat: bool = False


class Answering(Closed):
    """One memory of an editor with a router, see `wise.memory.routing_report.inventory`."""

    memory: Text
    edits: Count
    threshold: Finite | None


Files = dict[Literal["memory.safetensors", "edits.jsonl", "config.json"], Digest]
"""Digests by name; that of config.json is of all that it says beside its own, see `wise.memory.folder.sealed`."""


class Description(Closed):
    """All keys; `not_taken` is only there where an edit did not take."""

    layout: Literal[2] = Field(alias="schema")
    editor: Text
    options: dict[str, Any]
    layer: Count
    site: Text
    seed: int
    contexts: list[Text]
    measured: dict[str, Finite]
    memories: list[Answering]
    edits: Count
    not_taken: dict[str, str] = {}
    base: Base
    versions: dict[str, str]
    files: Files


_DESCRIPTION = TypeAdapter(Description)


def problems(found: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a config.json of this schema, each problem with its key; none for a sound one."""
    try:
        _DESCRIPTION.validate_python(found)
    except ValidationError as error:
        return [_problem(detail) for detail in error.errors(include_url=False)]
    return []


def _problem(detail: ErrorDetails) -> str:
    place, kind = detail["loc"], detail["type"]
    key = ".".join(printable(str(part)) for part in place)
    if kind == "missing":
        return f"lacks the key '{key}'"
    if kind == "extra_forbidden":
        return str(unknown("key", key, _keys(place[:-1])))
    if kind == "literal_error" and isinstance(detail["input"], str):
        return f"'{key}': {unknown('choice', detail['input'], choices_of(detail))}"
    return f"'{key}' {readable(detail)}"


def _keys(place: Sequence[str | int]) -> list[str]:
    """The valid keys of the part that a place leads to."""
    part = {"base": Base, "memories": Answering}.get(str(place[0]), Description) if place else Description
    return [field.alias or name for name, field in part.model_fields.items()]
