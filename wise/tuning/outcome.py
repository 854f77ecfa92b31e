"""What a search found: every trial that it made, as JSON, and what follows from them.

Nothing here needs torch or Optuna, so that tables, figures and configurations can read it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from wise.errors import DataError
from wise.files import read_json, write_json
from wise.options import places

TOP = 10
"""Trials behind the sensitivity."""

CLOSED = ConfigDict(extra="forbid")

Origin = Literal["defaults", "published", "search"]
State = Literal["complete", "pruned", "failed"]


@checked(frozen=True, config=CLOSED)
class Trial:
    """One set of options that was tried.

    `origin`: the editor's defaults, the published options, or drawn by the search. `options` are as edit jobs read
    them. `score` is the objective, None unless the trial is complete; `scores` are those after each T (in quotes), see
    `wise.tuning.objective`. `message` says why a trial failed.
    """

    number: int
    origin: Origin
    state: State
    options: dict[str, Any]
    score: float | None
    scores: dict[str, dict[str, float]]
    seconds: float
    message: str = ""


@checked(frozen=True, config=CLOSED)
class Outcome:
    """A search of one editor on one dataset and model. `search` is all that its result depends on, see `digest`."""

    dataset: str
    model: str
    editor: str
    search: dict[str, Any]
    trials: list[Trial]

    @property
    def complete(self) -> list[Trial]:
        """Trials with a score, the best first; the earlier of two equal ones, so that defaults win over the search."""
        return sorted((t for t in self.trials if t.score is not None), key=lambda t: (-scored(t), t.number))

    @property
    def best(self) -> Trial | None:
        """The trial whose options are chosen; None where all failed."""
        return next(iter(self.complete), None)

    @property
    def seconds(self) -> float:
        """Time of all trials, on the machine that ran them."""
        return sum(trial.seconds for trial in self.trials)

    @property
    def sensitivity(self) -> float | None:
        """How much the objective moves among the best `TOP` complete trials: the best less the worst of them."""
        top = [scored(trial) for trial in self.complete[:TOP]]
        return max(top) - min(top) if top else None

    def by(self, origin: Origin) -> Trial | None:
        """The best complete trial of one origin."""
        return next((trial for trial in self.complete if trial.origin == origin), None)


@dataclass(frozen=True)
class Budget:
    """What every editor gets alike: `trials`, each on `edits` development edits asked about as `grid` says.

    `grid` maps T to the number of chunks of T edits. `seed` is that of the search, of the order of edits and of the
    editor. `layers` are tried beside the other options; none means that the layer is given. `tasks`: those whose edits
    are tried on; none means all.
    """

    trials: int
    edits: int
    grid: Mapping[int, int]
    seed: int = 0
    layers: Sequence[int] = ()
    tasks: Sequence[str] = ()

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> Budget:
        """From the section `tuning` of a configuration."""
        return cls(**{**section, "grid": {int(T): chunks for T, chunks in section["grid"].items()}})

    def plain(self) -> dict[str, Any]:
        """As JSON has it; `tasks` only where some are named, so that other searches keep their digests."""
        grid = {str(T): chunks for T, chunks in sorted(self.grid.items())}
        named = {"tasks": list(self.tasks)} if self.tasks else {}
        plain = asdict(self) | {"grid": grid, "layers": list(self.layers)}
        return {key: value for key, value in plain.items() if key != "tasks"} | named


def scored(trial: Trial) -> float:
    """The score of a complete trial."""
    assert trial.score is not None
    return trial.score


def digest(value: Any) -> str:
    """16 hexadecimal digits of plain data, such as a space or all that a search depends on."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_OUTCOME = TypeAdapter(Outcome)


def write_outcome(path: str | Path, outcome: Outcome) -> None:
    """Write it as JSON, atomically."""
    write_json(path, _OUTCOME.dump_python(outcome))


def read_outcome(path: str | Path) -> Outcome:
    """Read it; raises `DataError`, naming the file, for one that is not of this form."""
    found = read_json(path)
    try:
        return _OUTCOME.validate_python(found)
    except ValidationError as error:
        raise DataError(f"{path}: not the outcome of a search: {'; '.join(places(error))}") from error
