"""What a finished run says of itself: its records, the time of its jobs, its tables and figures."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wise.errors import DataError
from wise.files import read_json
from wise.tracking.summary import content_key, study_of


@dataclass(frozen=True)
class Run:
    """One edit job: its files, its record, and the key by which MLflow knows it."""

    path: Path
    record: dict[str, Any]
    key: str

    @property
    def study(self) -> str:
        """The study that it belongs to, or the main comparison."""
        return study_of(self.path)

    @property
    def seconds(self) -> float:
        """Editing and asking together."""
        cost = self.record["cost"]
        return float(cost["edit_seconds_total"] + cost["probe_seconds_total"])


@dataclass(frozen=True)
class Facts:
    """A finished run in the folder `results`, made with the configuration `config`."""

    results: Path
    config: str
    runs: Sequence[Run]
    made: Sequence[Path]
    """Tables and figures."""

    def counted(self, *keys: str) -> Counter[tuple[str, ...]]:
        """How many runs have each combination of values of their records; a dot goes into a part of a record."""
        return Counter(tuple(_value(run.record, key) for key in keys) for run in self.runs)

    def shown(self, stem: str, suffix: str) -> Path | None:
        """A table or figure by its name, where it was made."""
        return next((path for path in self.made if path.name == f"{stem}{suffix}"), None)

    def table(self, stem: str) -> list[dict[str, str]]:
        """Rows of a table; none where it was not made."""
        path = self.shown(stem, ".csv")
        if path is None:
            return []
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    @cached_property
    def jobs(self) -> dict[str, tuple[int, float]]:
        """By rule how many jobs were timed, and their seconds together."""
        found: dict[str, tuple[int, float]] = {}
        for path in sorted((self.results / "benchmarks").rglob("*.tsv")):
            rule = path.relative_to(self.results / "benchmarks").parts[0]
            with path.open(encoding="utf-8", newline="") as stream:
                seconds = sum(float(row["s"]) for row in csv.DictReader(stream, delimiter="\t"))
            count, total = found.get(rule, (0, 0.0))
            found[rule] = (count + 1, total + seconds)
        return found


def read_facts(results: Path, config: str, runs: Sequence[Path], scores: Sequence[Path], made: Sequence[Path]) -> Facts:
    """Read the records of `runs`, whose `scores` are in the same order. Raises `DataError` without any."""
    if not runs:
        raise DataError(f"{results}: holds no run; a finished run of the workflow has some")
    read = [Run(run, read_json(run), content_key([run, own])) for run, own in zip(runs, scores, strict=True)]
    return Facts(results, config, read, made)


def _value(record: dict[str, Any], dotted: str) -> str:
    value: Any = record
    for key in dotted.split("."):
        value = value.get(key, "") if isinstance(value, dict) else ""
    return str(value)
