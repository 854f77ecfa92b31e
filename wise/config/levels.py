"""On which level a model is: one trained here, a real language model, or one of the size that the papers edited."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

EMBEDDED, REAL, LARGE = "embedded", "real", "7B"
LEVELS = (EMBEDDED, REAL, LARGE)
"""From the smallest to the papers' own. A claim of a paper about 7 billion parameters is settled on the last only."""

LEAST_LARGE = 5.0
"""Billions of parameters from which a model is of the papers' size; the smallest of theirs has 6."""


def level(name: str, model: Mapping[str, Any]) -> str:
    """The level of a model of a configuration, its size by the number of billions in its name or path.

    A folder whose name does not tell, such as `models/mine`, counts as a real, small one.
    """
    if model["source"] == "pretrain":
        return EMBEDDED
    return LARGE if any(size >= LEAST_LARGE for size in billions(name, model)) else REAL


def billions(name: str, model: Mapping[str, Any]) -> list[float]:
    """Billions of parameters that the path or the name of a model tells, such as 0.5 of Qwen2.5-0.5B or gemma-270m."""
    found = [
        (float(size), unit)
        for text in (model["path"], name)
        for size, unit in re.findall(r"(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", text.lower())
    ]
    return [size if unit == "b" else size / 1000 for size, unit in found]
