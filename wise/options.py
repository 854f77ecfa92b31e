"""Options from YAML or JSON into frozen dataclasses, checked key by key and type by type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

from wise.errors import ConfigError, unknown

Options = TypeVar("Options")


def build_options(kind: type[Options], values: Mapping[str, Any], where: str) -> Options:
    """An instance of the dataclass `kind` with `values` set.

    Raises `ConfigError`, which opens with `where`, for a key that `kind` lacks, for a value of another
    type and for one out of its range. An integer is taken where a float is meant, nothing else is
    converted. Where `kind` has a classmethod `preset(values)`, what it gives holds for keys not in `values`.
    """
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    checked = {}
    given = {**kind.preset(values), **values} if hasattr(kind, "preset") else values
    for key, value in given.items():
        if key not in names:
            raise ConfigError(f"{where}: {unknown('option', key, names)}")
        if hints[key] is float and type(value) is int:
            value = float(value)
        if hints[key] in (int, float, bool, str) and type(value) is not hints[key]:
            raise ConfigError(f"{where}: option '{key}' must be {hints[key].__name__}, found {value!r}")
        checked[key] = value
    try:
        return kind(**checked)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def require(condition: bool, message: str) -> None:
    """For `__post_init__`: a value out of its range raises ValueError, which `build_options` explains."""
    if not condition:
        raise ValueError(message)
