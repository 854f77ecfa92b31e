"""What one study is: its question, its edit jobs, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from wise.config.keys import Section, made_section
from wise.config.study_kinds import Grid, Kind, Point, Variants, fitting
from wise.errors import ConfigError


@dataclass(frozen=True)
class Study:
    """One study: the `question` that it answers, and by which edit jobs (see `wise.config.study_kinds`).

    `module` makes its table in the forms `tables` and, unless `figure` is false, its figure. It `reads` scores, runs,
    transcripts or overhead of its own points, where it has any, else of the main runs of its editor. `reference` names
    an editor whose main scores are shown beside it, `beside` other studies whose runs are. `caption` stands below both
    in the report; "{editor}" and other keys of the section are filled in. With `generate` the model also answers
    freely; with `oracle` the memory that holds an edit is also asked, whatever the router says.
    """

    name: str
    question: str
    runs: Kind
    module: str = "analysis.switches"
    reads: tuple[str, ...] = ("scores", "runs")
    tables: tuple[str, ...] = ("csv", "md", "tex")
    figure: bool = True
    reference: str | None = None
    beside: tuple[str, ...] = ()
    caption: str = ""
    generate: bool = False
    oracle: bool = False

    @property
    def section(self) -> type[BaseModel]:
        """The pydantic model of its section of the configuration."""
        fields: dict[str, Any] = self.runs.fields()
        return made_section(self.name, Section, self.question, fields)

    def points(self, config: Mapping[str, Any], dataset: str) -> list[Point]:
        """Its edit jobs; `dataset` is the one of all studies that choose none."""
        return list(self.runs.points(config["ablations"][self.name], f"ablations.{self.name}", dataset))

    def stream(self, section: Mapping[str, Any], available: int) -> tuple[int, dict[str, int]]:
        """Edits and grid of its edit jobs: those of its section, or as many of the usual as `available` edits allow."""
        if not isinstance(self.runs, Grid | Variants):
            raise ConfigError(f"the study '{self.name}' edits nothing")
        edits = section["edits"] or min(self.runs.edits, available)
        return edits, section["grid"] or fitting(self.runs.grid, edits)

    @property
    def is_edited(self) -> bool:
        """Whether it has edit jobs of its own."""
        return isinstance(self.runs, Grid | Variants)
