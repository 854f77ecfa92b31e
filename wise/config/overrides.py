"""What `snakemake --config` gives, with the types that a configuration file would give it."""

from __future__ import annotations

from typing import Any

import yaml


def retype(config: dict[str, Any], given: dict[str, Any]) -> None:
    """Read texts inside of `given`, which `config` has taken over, as numbers and the like where they are such.

    Snakemake reads `--config seeds='[0, 1]'` as two texts, and so everything below the first level. Values of the first
    level have their types already. `config` is changed in place, only where it holds what was given.
    """
    for key, value in given.items():
        if isinstance(value, dict | list) and key in config:
            config[key] = _merged(config[key], value)


def _merged(held: Any, given: Any) -> Any:
    if isinstance(given, dict) and isinstance(held, dict):
        return {key: _merged(value, given[key]) if key in given else value for key, value in held.items()}
    return _typed(given) if held == given else held


def _typed(given: Any) -> Any:
    if isinstance(given, dict):
        return {key: _typed(value) for key, value in given.items()}
    if isinstance(given, list):
        return [_typed(value) for value in given]
    return _scalar(given) if isinstance(given, str) else given


def _scalar(text: str) -> Any:
    """A number, a truth value or null where `text` is one; all else stays a text, what looks like a mapping too."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if value is None:
        return value if text.strip() else text
    return value if isinstance(value, bool | int | float) else text
