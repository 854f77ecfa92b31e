"""Reads the sentences that describe tasks, from the file beside this module or from one of the same form."""

from __future__ import annotations

from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Len
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from wise.errors import DataError, unknown
from wise.records import CLOSED

COUNT = 10
"""Sentences that each task has."""

HELD_OUT = COUNT - 1
"""Index of the sentence that no training sees."""

GENERAL = "general"
"""Task of edits that name none."""

POLARITIES = ("positive", "negative")

OWN = Path(__file__).with_name("sentences.yaml")


@dataclass(frozen=True, config=CLOSED)
class Task:
    """Sentences of one task; `tag` is what an instruction calls it, `also` lists further names of it in records."""

    sentences: Annotated[tuple[str, ...], Len(COUNT, COUNT)]
    tag: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, config=CLOSED)
class Wording:
    """How one kind of model is spoken to: the `heads` of the three lines, words for polarities, sentences by task.

    `unnamed` stands where a sentence names the topic and the record has no subject. `chosen` says by which search the
    sentences were chosen (`wise.instructions.refinement`), nothing for those as they were drafted.
    """

    heads: tuple[str, str, str]
    labels: dict[Literal["positive", "negative"], str]
    tasks: Annotated[dict[str, Task], Len(1)]
    unnamed: str = "it"
    chosen: dict[str, Any] = field(default_factory=dict)

    def task(self, name: str) -> tuple[str, Task]:
        """The task that a record names, or the general one; raises `ConfigError` with the choices for another name."""
        asked = name or GENERAL
        for known, task in self.tasks.items():
            if asked == known or asked in task.also:
                return task.tag or known, task
        raise unknown("task", asked, self.tasks)


_FILE = TypeAdapter(Annotated[dict[str, Wording], Field(min_length=1)])


@cache
def read_wordings(path: Path = OWN) -> dict[str, Wording]:
    """Every wording of a file by name; raises `DataError` naming file and key for another form."""
    try:
        rows: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _FILE.validate_python(rows)
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"{path}: no readable file of sentences ({error})") from error
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        raise DataError(f"{path}: {'; '.join(problems)}") from error


def wording(name: str, path: Path = OWN) -> Wording:
    """The wording of that name; raises `ConfigError` with the valid names for another."""
    known = read_wordings(path)
    if name not in known:
        raise unknown("wording of instructions", name, known)
    return known[name]
