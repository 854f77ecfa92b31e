"""Claims as `analysis/claims.yaml` states them, read strictly: a mistake is named by its claim and key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from analysis.tasks.by_task import EVERY, SEEN, SUCCESS, TASKS
from wise.config.studies import STUDIES
from wise.editors.entries import EDITORS
from wise.errors import DataError
from wise.evaluate.metrics import METRICS
from wise.options import OneOf

FILE = Path(__file__).resolve().parent.parent / "claims.yaml"

MAIN = "main"
"""What the main comparison is called where others are studies."""

ALIASES = {"loc": ("loc_far", "loc_near")}
"""Names that stand for the first of several metrics that a dataset has."""

MADE_BY = {MAIN: "the main comparison", **{name: f"snakemake {name}" for name in STUDIES}}
"""What makes the scores that a test reads."""

METRIC_NAMES = {**METRICS, **dict.fromkeys((*ALIASES, SUCCESS))}
TASK_NAMES = {EVERY: "", SEEN: "", **TASKS}
Scalar = bool | int | float | str
Editor = Annotated[str, OneOf(EDITORS)]
Metric = Annotated[str, OneOf(METRIC_NAMES)]
Study = Annotated[str, OneOf(MADE_BY)]
TaskName = Annotated[str, OneOf(TASK_NAMES)]


class Strict(BaseModel):
    """Keys that are not listed are refused, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class Range(Strict):
    """Numbers from `low` to `high`, both included."""

    low: float = float("-inf")
    high: float = float("inf")


class Over(Strict):
    """Every T above a number."""

    above: int


Counts = int | list[int] | Over | Literal["all", "largest", "smallest"]
"""Which numbers of edits T."""


class Selection(Strict):
    """Scores of one side of a test. What is not said is that of the test, or of the other side."""

    editor: Editor | None = None
    metric: Metric | None = None
    T: int | Literal["largest", "smallest"] | None = None
    where: dict[str, Scalar | list[Scalar] | Range] = {}
    """Options of the run and their value, values or range. Further ones are `layer`, `depth` (0 the first layer, 1 the
    last of the study), `overlap` (rho^k), `trained_on` (the option `tasks`, joined by commas), `breadth` (how
    many these are: 1 for the most) and `changed`, the options that differ from the study's first variant."""


class Expected(Strict):
    """What the effect is by the claim: exactly one of the three."""

    above: float | None = None
    below: float | None = None
    within: tuple[float, float] | None = Field(None, strict=False)

    @model_validator(mode="after")
    def _one(self) -> Expected:
        if sum(bound is not None for bound in (self.above, self.below, self.within)) != 1:
            raise PydanticCustomError("one", "name exactly one of above, below and within")
        if self.within is not None and not self.within[0] < self.within[1]:
            raise PydanticCustomError("order", "within has to be [low, high] with low below high")
        return self

    def in_words(self) -> str:
        """Such as `> 0`."""
        if self.within is not None:
            return f"in [{self.within[0]:g}, {self.within[1]:g}]"
        return f"> {self.above:g}" if self.above is not None else f"< {self.below:g}"


class OnScores(Strict):
    """A test on scores: a mean of `metric`, or its difference to those of `against` on the same edits and seeds.

    Each T of `T`, each metric and each of `against` is one comparison. The claim holds where all of them are as
    expected, and fails where one is not. `by` takes each value of an option of the study in the place of `against`:
    each other one than that of the claim.
    """

    study: Study = MAIN
    metric: list[Metric]
    T: Counts = "largest"
    editor: list[Editor] = []
    """Each makes a line of the ledger; empty takes all editors of the study together."""
    where: dict[str, Scalar | list[Scalar] | Range] = {}
    task: TaskName | None = None
    """Edits of this task alone, of all tasks that a training sees, or of every task; None for datasets without."""
    against: list[Selection] = []
    by: str = ""
    expect: Expected


class OnCost(Strict):
    """A test on what was measured: a `cost`, as a ratio to that of the editor `against` or at another T where one is
    named."""

    cost: Literal["inference_ratio", "extra_parameters_ratio", "memory_ratio", "peak_memory_bytes"]
    editor: list[Editor]
    T: Literal["largest", "smallest"] | int = "largest"
    against_T: Literal["smallest"] | int | None = None
    against: Editor | None = None
    expect: Expected


class OnAreas(Strict):
    """A test on editing areas: how much further the tasks of edits lie apart than with the editor `against`, by
    silhouette, in a `panel` of the study `areas`."""

    panel: str
    editor: list[Editor]
    against: Editor
    expect: Expected


class Claim(Strict):
    """One claim: where it is stated, in which words, and how it is tested; without a test, what one would need."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    source: str
    """Who claims it."""
    stated: str
    """Section, table or figure."""
    claim: str
    short: str = Field(max_length=48)
    """The claim in a figure."""
    setting: Literal["qa", "hallucination", "ood"] | None = None
    """Kind of datasets that the claim is about, see `analysis.task_type`; none means any with the metric."""
    test: OnScores | OnCost | OnAreas | None = None
    needs: str = ""
    """What has to be there for the test, beyond what its study names."""
    levels: list[Literal["embedded", "real", "7B"]] = []
    """Levels on which the claim makes sense; empty means all."""
    why: dict[Literal["embedded", "real", "7B"], str] = {}
    """What is known about why it fails, by level."""

    def known(self, level: str) -> str:
        """What is known about why it fails on a level; empty where nothing is."""
        return next((text for place, text in self.why.items() if place == level), "")

    @model_validator(mode="after")
    def _testable(self) -> Claim:
        if self.test is None and not self.needs:
            raise PydanticCustomError("needs", "a claim without a test has to say what it needs")
        return self


class Ledger(Strict):
    """The file: what `matters`, the smallest difference that counts as one, and the claims."""

    matters: float = Field(gt=0)
    claims: list[Claim] = Field(min_length=1)

    @model_validator(mode="after")
    def _different(self) -> Ledger:
        names = [claim.id for claim in self.claims]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise PydanticCustomError("repeated", "{ids} stands twice", {"ids": ", ".join(sorted(repeated))})
        return self


def read_claims(path: Path = FILE) -> Ledger:
    """The claims of a file. Raises `DataError` naming file, claim and key of every mistake."""
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not YAML: {error}") from error
    try:
        return Ledger.model_validate(document)
    except ValidationError as error:
        found = "; ".join(f"{_place(document, one['loc'])}: {one['msg']}" for one in error.errors())
        raise DataError(f"{path}: {found}") from error


def _place(document: Any, keys: tuple[int | str, ...]) -> str:
    """Where a mistake is, with the claim's own name."""
    words = [str(key) for key in keys]
    claims = document.get("claims") if isinstance(document, Mapping) else None
    if len(keys) > 1 and keys[0] == "claims" and isinstance(keys[1], int) and isinstance(claims, list):
        entry = claims[keys[1]]
        name = entry.get("id") if isinstance(entry, Mapping) else None
        words[:2] = [f"claim '{name or keys[1] + 1}'"]
    return ".".join(words) or "the file"
