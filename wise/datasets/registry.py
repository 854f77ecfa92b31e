"""The datasets that this project can make, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wise.datasets import counterfact_corpus, factworld
from wise.datasets.published import build as real
from wise.datasets.published.catalog import SETTINGS, RealOptions
from wise.errors import ConfigError, unknown


@dataclass(frozen=True)
class Dataset:
    """How to make one dataset.

    `options` is a dataclass, `make(options, out)` returns the folders written, and `fetch(options, out)` the raw files
    that it is made from, brought together in one folder; a dataset that is invented has none.
    """

    description: str
    options: type
    make: Callable[[Any, Path], list[Path]]
    fetch: Callable[[Any, Path], list[Path]] | None = None


DATASETS = {
    "factworld": Dataset((factworld.__doc__ or "").split("\n")[0], factworld.FactWorldOptions, factworld.make),
    "counterfact-corpus": Dataset(
        counterfact_corpus.__doc__ or "",
        counterfact_corpus.CounterFactCorpusOptions,
        counterfact_corpus.make,
        counterfact_corpus.fetch,
    ),
} | {
    name: Dataset(setting.description, RealOptions, partial(real.make, name), partial(real.gather_files, name))
    for name, setting in SETTINGS.items()
}


def dataset(name: str) -> Dataset:
    """Look a dataset up; raises `ConfigError` with the valid names."""
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS)
    return DATASETS[name]


def fetched_dataset(name: str) -> Dataset:
    """As `dataset`, for one that is made from raw files; raises `ConfigError` for another."""
    chosen = dataset(name)
    if chosen.fetch is None:
        names = ", ".join(sorted(key for key, entry in DATASETS.items() if entry.fetch))
        raise ConfigError(f"dataset '{name}' is made here, from no files. Datasets with files: {names}")
    return chosen
