"""Mistakes in a configuration in words: the key, what is wrong with it, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from wise.config.keys import SIGNS
from wise.errors import printable, shown, unknown
from wise.options import choices_of, readable


def explained(error: ValidationError, model: type[BaseModel]) -> str:
    """Every mistake on a line of its own, in the order of the keys of `model`."""
    return "\n".join(_line(detail, model) for detail in error.errors(include_url=False))


def _line(detail: ErrorDetails, model: type[BaseModel]) -> str:
    place, kind, found = detail["loc"], detail["type"], detail["input"]
    is_name = bool(place) and place[-1] == "[key]"
    key = _dotted([str(part) for part in place[:-1]] if is_name else place)
    if kind == "extra_forbidden":
        parent = _dotted(place[:-1])
        return f"{parent}{': ' if parent else ''}{unknown('key', str(place[-1]), _keys(model, place[:-1]))}"
    if kind == "literal_error" and isinstance(found, str):
        return f"{key}: {unknown('choice', found, choices_of(detail))}"
    if kind in ("repeated", "options"):
        return f"{key}: {detail['msg']}"
    if is_name and isinstance(found, int):
        return f"{key}: must be a text, write '{found}' in quotes"
    pattern = detail.get("ctx", {}).get("pattern")
    if pattern in SIGNS:
        return f"{key}: {SIGNS[pattern].format(found=shown(found))}"
    return f"{key or 'configuration'}: {readable(detail)}"


def _dotted(place: Sequence[str | int]) -> str:
    """`models.tiny.layer`, `seeds[0]`."""
    named = (f"[{part}]" if isinstance(part, int) else f".{printable(part)}" for part in place)
    return "".join(named).removeprefix(".")


def _keys(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The valid keys of the section at `place`."""
    whole = model.model_json_schema()
    section: Any = whole
    for part in place:
        named = [*section.get("patternProperties", {}).values(), section.get("additionalProperties")]
        section = _resolved(section.get("properties", {}).get(str(part), named[0]), whole)
    return list(section["properties"])


def _resolved(section: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """The definition that a reference stands for."""
    return whole["$defs"][section["$ref"].removeprefix("#/$defs/")] if "$ref" in section else section
