"""Kinds of studies: which runs a study asks for, and the keys of its section of the configuration.

A study repeats the edit job of the main comparison over a `Grid` of values or over named `Variants` of options, reads
the `MainRuns` of an editor or `EveryRun` or the `Networks` of other studies, or is `Measured` or `Traced` by a command
of its own. Each kind describes its section by pydantic fields, from which the schema is made, and lists its points: one
edit job each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Annotated, Any, NamedTuple, Protocol

from pydantic import Field

from wise.config.keys import Chunks, Name, Seed, Unique
from wise.options import NAME, AtLeastOne, OneOf

Options = dict[str, Any]

Finite = Annotated[float, Field(gt=0, allow_inf_nan=False)]
OpenCount = AtLeastOne | None
OpenCounts = Unique[AtLeastOne] | None
OpenChunks = Chunks | None

STREAM = "stream"
RECORDS = {STREAM: "edits", "development": "development"}
"""Which of a dataset's edits a study is made on, and the name of their file: those that are reported, or those on which
options are chosen."""

Beside = Annotated[str, Field(pattern=f"^$|{NAME}")]

Fields = dict[str, tuple[Any, Any]]
"""Type and pydantic `Field` of each key of a section."""


class Override(NamedTuple):
    """Options over those of the main run, and the key of the configuration where each is written."""

    values: Mapping[str, Any]
    keys: Mapping[str, str]

    @classmethod
    def written(cls, where: str, values: Mapping[str, Any]) -> Override:
        """Options that are written below the key `where`."""
        return cls(values, {name: f"{where}.{name}" for name in values})


class Point(NamedTuple):
    """One edit job of a study; `path` is its folder below that of the study, and differs between all its points.

    `layer` is the edited layer with the key that says so, None for that of the main comparison. `records` says which of
    the dataset's edits, a key of `RECORDS`.
    """

    path: str
    dataset: str
    editor: str
    seed: int
    overrides: tuple[Override, ...]
    layer: tuple[int, str] | None = None
    records: str = STREAM


def _each(section: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Records and seeds of a study, with the folder of those that are not the stream's."""
    for records, seed in product(section["records"], section["seeds"]):
        yield "" if records == STREAM else f"{records}/", records, seed


class Kind(Protocol):
    """What every kind of study has."""

    def fields(self) -> Fields:
        """Keys of the section."""
        ...

    def points(self, section: Mapping[str, Any], where: str, dataset: str) -> Iterator[Point]:
        """Edit jobs of its own; `where` is the key of the section, `dataset` the one of all studies."""
        ...


def fitting(grid: Mapping[str, int], edits: int) -> dict[str, int]:
    """`grid` with every T and number of chunks reduced to what so many edits allow."""
    sizes = {min(int(T), edits): chunks for T, chunks in grid.items()}
    return {str(T): min(chunks, edits // T) for T, chunks in sizes.items()}


def _listed(kind: Any, default: Sequence[Any], description: str, least: int = 1) -> tuple[Any, Any]:
    return Unique[kind], Field(list(default), description=description, min_length=least)


def _stream(edits: int, grid: Mapping[str, int], whose: str, options: Options | None = None) -> Fields:
    """Keys of every study that edits."""
    return {
        "options": (Options, Field(options or {}, description=f"Options that differ from {whose}.")),
        "seeds": _listed(Seed, [0], "Seeds of the study."),
        "records": _listed(
            Annotated[str, OneOf(RECORDS)],
            [STREAM],
            "Which edits: the reported `stream`, the `development` ones that options are chosen on, or both.",
        ),
        "edits": (
            OpenCount,
            Field(None, description=f"Edits of the stream. Null: {edits}, or all."),
        ),
        "grid": (
            OpenChunks,
            Field(None, description=f"T (in quotes) to chunks of T edits. Null: {dict(grid)}, as far as the edits go."),
        ),
    }


class Axis(NamedTuple):
    """Values to try: their default, type and description, and the option that takes them; None is the edited layer."""

    values: Sequence[Any]
    kind: Any
    description: str
    option: str | None


@dataclass(frozen=True)
class Grid:
    """Every combination of the values of some axes, with one editor on the dataset of all studies."""

    editor: str
    axes: Mapping[str, Axis]
    edits: int = 100
    grid: Mapping[str, int] = field(default_factory=lambda: {"100": 1})
    options: Options = field(default_factory=dict)

    def fields(self) -> Fields:
        """See `Kind`."""
        return {
            "editor": (Name, Field(self.editor, description="Editor under study.")),
            "beside": (Beside, Field("", description="Editor that makes the same edits beside it; empty for none.")),
            **{key: _listed(axis.kind, axis.values, axis.description) for key, axis in self.axes.items()},
            **_stream(self.edits, self.grid, "the editor's main run", self.options),
        }

    def points(self, section: Mapping[str, Any], where: str, dataset: str) -> Iterator[Point]:
        """One for each combination, kind of records and seed, and one of the editor beside."""
        common = Override.written(f"{where}.options", section["options"])
        for values in product(*(section[key] for key in self.axes)):
            chosen = dict(zip(self.axes, values, strict=True))
            options = {axis.option: chosen[key] for key, axis in self.axes.items() if axis.option}
            keys = {axis.option: f"{where}.{key}" for key, axis in self.axes.items() if axis.option}
            layer = next(((chosen[key], f"{where}.{key}") for key, axis in self.axes.items() if not axis.option), None)
            folder = "/".join(f"{key}~{value}" for key, value in chosen.items())
            overrides = (common, Override(options, keys))
            for place, records, seed in _each(section):
                path = f"{place}{folder}/seed{seed}"
                yield Point(path, dataset, section["editor"], seed, overrides, layer, records)
        if section["beside"]:
            for place, records, seed in _each(section):
                path = f"{place}beside/{section['beside']}/seed{seed}"
                yield Point(path, dataset, section["beside"], seed, (), None, records)


@dataclass(frozen=True)
class Variants:
    """Named variants of options, each with some editors on datasets of the study's own choice."""

    editors: Sequence[str]
    variants: Mapping[str, Options]
    edits: int = 20
    grid: Mapping[str, int] = field(default_factory=lambda: {"1": 20})
    about_editors: str = "Editors under study; all variants have to be options of each."
    about_variants: str = "Options by name; the others are compared with the first."

    def fields(self) -> Fields:
        """See `Kind`."""
        own = "Datasets of this study, those outside of the main comparison included; empty means that of all studies."
        variants = Field(dict(self.variants), description=self.about_variants, min_length=1)
        return {
            "datasets": _listed(Name, [], own, least=0),
            "editors": _listed(Name, self.editors, self.about_editors),
            "variants": (dict[Name, Options], variants),
            **_stream(self.edits, self.grid, "the editors' main runs in all variants"),
        }

    def points(self, section: Mapping[str, Any], where: str, dataset: str) -> Iterator[Point]:
        """One for each dataset, editor, variant, kind of records and seed."""
        common = Override.written(f"{where}.options", section["options"])
        for chosen, editor in product(section["datasets"] or [dataset], section["editors"]):
            for variant, values in section["variants"].items():
                overrides = (common, Override.written(f"{where}.variants.{variant}", values))
                for place, records, seed in _each(section):
                    path = f"{place}{chosen}/{editor}/{variant}/seed{seed}"
                    yield Point(path, chosen, editor, seed, overrides, records=records)


@dataclass(frozen=True)
class MainRuns:
    """The runs of one editor in the main comparison, read again."""

    editor: str
    about_editor: str = "Editor under study."

    def fields(self) -> Fields:
        """See `Kind`."""
        return {"editor": (Name, Field(self.editor, description=self.about_editor))}

    def points(self, section: Mapping[str, Any], where: str, dataset: str) -> Iterator[Point]:
        """None."""
        return iter(())


@dataclass(frozen=True)
class EveryRun:
    """All runs of the main comparison, read again."""

    def fields(self) -> Fields:
        """None: there is nothing to choose."""
        return {}

    def points(self, section: Mapping[str, Any], where: str, dataset: str) -> Iterator[Point]:
        """None."""
        return iter(())


@dataclass(frozen=True)
class Networks:
    """The networks that edit jobs of other studies train, looked at once more."""

    studies: Sequence[str]
    edits: int

    def fields(self) -> Fields:
        """See `Kind`."""
        return {
            "edits": (AtLeastOne, Field(self.edits, description="Edits of the stream that are shown.")),
            "seed": (Seed, Field(0, description="Seed whose networks are shown.")),
        }

    def points(self, section: Mapping[str, Any], where: str, dataset: str) -> Iterator[Point]:
        """None."""
        return iter(())


@dataclass(frozen=True)
class Traced:
    """What `wise trace` finds of the unedited model."""

    prompts: int = 40

    def fields(self) -> Fields:
        """See `Kind`; the keys are the options of the verb."""
        return {
            "prompts": (AtLeastOne, Field(self.prompts, description="Prompts that the model answers, at most.")),
            "samples": (AtLeastOne, Field(5, description="Draws of the noise for each prompt.")),
            "noise": (Finite, Field(3.0, description="Noise on the subject, in deviations of embeddings.")),
            "seed": (Seed, Field(0, description="Seed of the noise.")),
        }

    def points(self, section: Mapping[str, Any], where: str, dataset: str) -> Iterator[Point]:
        """None."""
        return iter(())


@dataclass(frozen=True)
class Measured:
    """What `wise overhead` measures of some editors, all in one job."""

    editors: Sequence[str]
    T: Sequence[int]

    def fields(self) -> Fields:
        """See `Kind`."""
        return {
            "editors": _listed(Name, self.editors, "Editors to measure."),
            "T": (
                OpenCounts,
                Field(
                    None,
                    description="Numbers of edits after which inference is timed. "
                    f"Null: {list(self.T)}, as far as the edits go.",
                    min_length=1,
                ),
            ),
            "seed": (Seed, Field(0, description="Seed of the measured edits.")),
            "half_width": (
                Finite,
                Field(
                    0.02,
                    description="Edited and unedited answers are timed in turn until the 95% interval of the "
                    "ratio of their times reaches no further than this.",
                ),
            ),
            "seconds": (
                Finite,
                Field(60.0, description="The most seconds of timing for each editor and T, whatever the interval."),
            ),
        }

    def points(self, section: Mapping[str, Any], where: str, dataset: str) -> Iterator[Point]:
        """None."""
        return iter(())
