"""What a search is, as far as it is known without data and model; the verb `tune` adds digests of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wise.editors.space import described_space
from wise.tuning.outcome import Budget, digest


def short(digest: str) -> str:
    """As much of a digest as a search keeps."""
    return digest[:16]


def identity(budget: Budget, kind: type, fixed: Mapping[str, Any], layer: int | None) -> dict[str, Any]:
    """Budget, space and fixed options of a search of the editor with config class `kind`; `layer` is the given one."""
    return {**budget.plain(), "layer": layer, "fixed": dict(fixed), "space": digest(described_space(kind))}
