"""The datasets that this project can make, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wise.datasets import factworld
from wise.errors import unknown


@dataclass(frozen=True)
class Dataset:
    """How to make one dataset: a dataclass of options, and `make(options, out)` returning the folders written."""

    options: type
    make: Callable[[Any, Path], list[Path]]


DATASETS = {"factworld": Dataset(factworld.FactWorldOptions, factworld.make)}


def dataset(name: str) -> Dataset:
    """Look a dataset up; raises `ConfigError` with the valid names."""
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS)
    return DATASETS[name]
