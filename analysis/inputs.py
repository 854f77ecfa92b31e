"""What an artifact is made from: scores, transcripts, run records and measured overhead, read when asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from analysis.task_type import with_averages
from wise.documents import read_object
from wise.errors import ConfigError, DataError
from wise.evaluate.scores import COLUMNS, RUN_COLUMNS
from wise.parquet import read_frame, read_table
from wise.records import read_records
from wise.tuning.outcome import Outcome, read_outcome


@dataclass(frozen=True)
class Inputs:
    """Paths as given on the command line. Asking for what was not given raises `ConfigError` naming the option."""

    score_paths: Sequence[Path] = ()
    transcript_paths: Sequence[Path] = ()
    run_paths: Sequence[Path] = ()
    overhead_path: Path | None = None
    reference_paths: Sequence[Path] = ()
    search_paths: Sequence[Path] = ()
    record_paths: Sequence[Path] = ()
    area_paths: Sequence[Path] = ()
    tracing_path: Path | None = None
    round_paths: Sequence[Path] = ()
    studies: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    """By the study's name the folders of its points, each with scores.parquet, run.json and transcript.parquet."""
    place: tuple[str, ...] = ()
    """Dataset and model that the overhead was measured on."""
    levels: Mapping[str, str] = field(default_factory=dict)
    """By the model's name the level that it is on, see `wise.config.levels`."""

    def of_study(self, name: str) -> Inputs:
        """The runs of a study."""
        folders = _given(self.studies.get(name, ()), f"--study {name}")
        scores, transcripts, runs = (
            [folder / file for folder in folders] for file in ("scores.parquet", "transcript.parquet", "run.json")
        )
        return Inputs(scores, transcripts, runs, record_paths=self.record_paths)

    def level(self, model: str) -> str:
        """The level of a model; raises `ConfigError` where it was not given."""
        if model not in self.levels:
            raise ConfigError(f"this artifact needs --levels {model}=LEVEL")
        return self.levels[model]

    def scores(self) -> pd.DataFrame:
        """All scores in one frame with the columns of `wise.evaluate.scores`, averages of every setting included."""
        owners: dict[tuple, Path] = {}
        frames = []
        for path in _given(self.score_paths, "--scores"):
            frame = _read_scores(path)
            for run in frame[list(RUN_COLUMNS)].drop_duplicates().itertuples(index=False, name=None):
                if run in owners:
                    raise DataError(f"{path} and {owners[run]} hold scores of the same run {run}")
                owners[run] = path
            frames.append(frame)
        return with_averages(pd.concat(frames, ignore_index=True))

    def reference_scores(self) -> pd.DataFrame | None:
        """Scores to be drawn beside an ablation, or None when none were given."""
        if not self.reference_paths:
            return None
        return pd.concat(map(_read_scores, self.reference_paths), ignore_index=True)

    def transcripts(self, columns: Sequence[str], **keys: str) -> pd.DataFrame:
        """The named columns of all transcripts, with dataset, model, editor and seed of their runs.

        `keys` are further columns from the run records, see `ablation`.
        """
        paths = _given(self.transcript_paths, "--transcripts")
        frames = []
        for path, run in zip(paths, self._runs_of(paths), strict=True):
            missing = [name for name in columns if name not in pq.read_schema(path).names]
            if missing:
                raise DataError(f"{path}: not a transcript; it lacks {', '.join(missing)}")
            frame = read_frame(path, columns)
            further = {name: setting(run, dotted) for name, dotted in keys.items()}
            frames.append(frame.assign(**{key: run[key] for key in RUN_COLUMNS}, **further))
        return pd.concat(frames, ignore_index=True)

    def ablation(self, **keys: str) -> pd.DataFrame:
        """Scores with one column per varied setting: `ablation(k="options.shards")` reads it from each run record."""
        frames = []
        for scores, run in self.by_run():
            frames.append(scores.assign(**{name: setting(run, dotted) for name, dotted in keys.items()}))
        return pd.concat(frames, ignore_index=True)

    def by_run(self) -> Iterator[tuple[pd.DataFrame, dict[str, Any]]]:
        """Scores and record of each run, in the order given."""
        paths = _given(self.score_paths, "--scores")
        for path, run in zip(paths, self._runs_of(paths), strict=True):
            yield _read_scores(path), run

    def one_by_one(self) -> Iterator[Inputs]:
        """The scores, run record and, where they are given, transcript of each run by itself."""
        scores = _given(self.score_paths, "--scores")
        for paths in (self.run_paths, self.transcript_paths or scores):
            if len(paths) != len(scores):
                raise ConfigError(f"--runs and --transcripts must name files of the {len(scores)} runs of --scores, in "
                                  f"the same order; {len(paths)} given")  # fmt: skip
        for index, path in enumerate(scores):
            yield Inputs((path,), self.transcript_paths[index : index + 1], self.run_paths[index : index + 1])

    def of_editor(self, name: str) -> Inputs:
        """The transcripts and run records of one editor."""
        paths = zip(_given(self.transcript_paths, "--transcripts"), self.run_paths, strict=True)
        chosen = [pair for pair in paths if read_object(pair[1], RUN_COLUMNS)["editor"] == name]
        return Inputs(transcript_paths=[path for path, _ in chosen], run_paths=[path for _, path in chosen])

    def records(self) -> list[dict[str, Any]]:
        """The record of each run."""
        return [read_object(path, RUN_COLUMNS) for path in _given(self.run_paths, "--runs")]

    def overhead(self) -> dict[str, Any]:
        """The document written by `wise overhead`: a list of "rows" and the "hardware"."""
        if self.overhead_path is None:
            raise ConfigError("this artifact needs --overhead")
        document = read_object(self.overhead_path)
        if not document.get("rows"):
            raise DataError(f"{self.overhead_path}: 'rows' is missing or empty")
        return document

    def tracing(self) -> dict[str, Any]:
        """The document written by `wise trace`: a list of "rows" and what was asked."""
        if self.tracing_path is None:
            raise ConfigError("this artifact needs --tracing")
        document = read_object(self.tracing_path)
        if not document.get("rows"):
            raise DataError(f"{self.tracing_path}: 'rows' is missing or empty")
        return document

    def searches(self) -> list[Outcome]:
        """What the search of each editor's options found."""
        return [read_outcome(path) for path in _given(self.search_paths, "--searches")]

    def rounds(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Dataset, model and document of each choice of sentences (`wise instruct`), by the folders of its file."""
        return [
            (path.parent.parent.name, path.parent.name, read_object(path))
            for path in _given(self.round_paths, "--rounds")
        ]

    def areas(self) -> list[tuple[str, dict[str, Any], pd.DataFrame]]:
        """Editor, options and edits (columns record, task, update, gradient) of every network."""
        found = []
        for path in _given(self.area_paths, "--areas"):
            table = read_table(path)
            metadata = table.schema.metadata or {}
            if not {b"editor", b"options"} <= metadata.keys():
                raise DataError(f"{path}: not written by `wise areas`")
            found.append(
                (metadata[b"editor"].decode(), json.loads(metadata[b"options"]), table.to_pandas(use_threads=False))
            )
        return found

    def tasks(self) -> pd.DataFrame:
        """The `task` of each `record` of each `dataset`, which is the folder of its file of records."""
        rows = [
            (path.parent.name, record.id, record.task)
            for path in _given(self.record_paths, "--records")
            for record in read_records(path)
        ]
        return pd.DataFrame(rows, columns=["dataset", "record", "task"])

    def _runs_of(self, paths: Sequence[Path]) -> list[dict[str, Any]]:
        if len(self.run_paths) != len(paths):
            raise ConfigError(f"--runs must name the run.json of each of the {len(paths)} files, in the same order; "
                              f"{len(self.run_paths)} given")  # fmt: skip
        return [read_object(path, RUN_COLUMNS) for path in self.run_paths]


def _given(paths: Sequence[Path], option: str) -> Sequence[Path]:
    if not paths:
        raise ConfigError(f"this artifact needs {option}")
    return paths


def _read_scores(path: Path) -> pd.DataFrame:
    frame = read_frame(path)
    if list(frame.columns) != list(COLUMNS):
        raise DataError(f"{path}: not a file of scores; its columns are {', '.join(map(str, frame.columns))}")
    return frame


def setting(run: dict[str, Any], dotted: str) -> Any:
    """A value of a run record, such as "options.shards"; raises `DataError` where the record lacks it."""
    value: Any = run
    for key in dotted.split("."):
        if not isinstance(value, dict) or key not in value:
            raise DataError(f"run record of {run.get('editor')} (seed {run.get('seed')}) lacks '{dotted}'")
        value = value[key]
    return value
