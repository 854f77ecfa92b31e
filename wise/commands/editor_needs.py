"""Memory that editors need beside the model, for verbs that edit; apart from loading, so that others know no editor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from wise.editors.registry import editor_class
from wise.options import build_options


def editor_needs(editors: Mapping[str, Mapping[str, Any]]) -> list[Callable[[int, int], int]]:
    """For each editor with its options a function of the model's width and inner width, see `Editor.memory_need`."""
    return [partial(_need, name, options) for name, options in editors.items()]


def _need(name: str, options: Mapping[str, Any], width: int, inner: int) -> int:
    kind = editor_class(name)
    return kind.memory_need(build_options(kind.Config, options, f"options of editor '{name}'"), width, inner)
