"""What MLflow is told about one run: tags, parameters and metrics, from its run record and its scores."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from wise.documents import read_object
from wise.errors import DataError, refusing
from wise.evaluate.metrics import METRICS, Derived
from wise.evaluate.scores import EXAMPLE, RUN_COLUMNS, derive
from wise.parquet import read_frame
from wise.tracking.view import SCORES

FORMAT = "2"
"""Part of every content key: raise it when the same files are to be written differently."""

MAIN_STUDY = "main"


@dataclass(frozen=True)
class Summary:
    """One flat run of a `study`; `memory` is the folder of its saved memory, empty without one.

    `metrics` holds (name, value, step), all finite, with T as the step; times are in ms since 1970.
    """

    key: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, Any]
    metrics: tuple[tuple[str, float, int], ...]
    dataset: str
    dataset_sha256: str
    study: str
    memory: str
    started: int
    finished: int


def summarize(run_path: Path, scores_path: Path) -> Summary:
    """Read run.json and the scores of the same run; `DataError` when they do not belong together."""
    run = read_object(run_path, RUN_COLUMNS)
    with refusing(f"{run_path} and {scores_path}: no record and scores of a run", DataError):
        return _summary(run_path, run, scores_path, read_frame(scores_path))


def _summary(run_path: Path, run: Mapping[str, Any], scores_path: Path, scores: pd.DataFrame) -> Summary:
    for column in RUN_COLUMNS:
        found = scores[column].unique().tolist()
        if found != [run[column]]:
            raise DataError(f"{scores_path}: {column} is {found}, {run_path} says {run[column]!r}")
    metrics = [*mean_scores(scores), *cost_metrics(run)]
    finite = tuple(metric for metric in metrics if math.isfinite(metric[1]))
    key = content_key([run_path, scores_path])
    study = study_of(run_path)
    return Summary(
        key=key,
        name=_run_name(run, study, run_path),
        tags=_tags(run, study, [f"{name} at {step}" for name, value, step in metrics if not math.isfinite(value)]),
        params={column: run[column] for column in (*RUN_COLUMNS, "layer", "edits")} | _slice(run) | run["options"],
        metrics=finite,
        dataset=run["dataset"],
        dataset_sha256=run["dataset_sha256"],
        study=study,
        memory=str((run_path.parent / "memory").resolve()) if (run_path.parent / "memory").is_dir() else "",
        started=_milliseconds(run["started"]),
        finished=_milliseconds(run["finished"]),
    )


def mean_scores(scores: pd.DataFrame) -> Iterator[tuple[str, float, int]]:
    """(metric, mean over edits, T) for every metric and T, those that are only derived when aggregating included."""
    extra = [
        derive(scores, metric, EXAMPLE)
        for metric in METRICS.values()
        if isinstance(metric, Derived) and not metric.stored
    ]
    means = pd.concat([scores, *extra], ignore_index=True).groupby(["metric", "T"])["value"].mean()
    for (metric, step), value in means.items():
        yield tracked_as(str(metric)), float(value), int(step)


def tracked_as(metric: str) -> str:
    """The name of a metric in MLflow: headline scores have a section of their own, which comes first."""
    return f"{SCORES}/{metric}" if metric in METRICS and METRICS[metric].role == "headline" else metric


def cost_metrics(run: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    """Cost summary of the job, at the step of the largest T."""
    step = max(int(size) for size in run["grid"])
    for name, value in run["cost"].items():
        if value is not None:
            yield f"cost/{name}", float(value), step


def content_key(paths: list[Path]) -> str:
    """Digest of what the files hold: equal for equal results, whenever and wherever they were written."""
    digest = hashlib.sha256(FORMAT.encode())
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def study_of(run_path: Path) -> str:
    """The study that a run belongs to: the folder under `ablations`, or the main comparison."""
    parts = run_path.parts
    return parts[parts.index("ablations") + 1] if "ablations" in parts else MAIN_STUDY


def _run_name(run: Mapping[str, Any], study: str, run_path: Path) -> str:
    if study == MAIN_STUDY:
        return f"{run['editor']} {run['dataset']} {run['model']} seed {run['seed']}"
    point = run_path.parts[run_path.parts.index("ablations") + 2 : -2]
    return f"{study} {' '.join(point)} seed {run['seed']}"


def _slice(run: Mapping[str, Any]) -> dict[str, Any]:
    """Which slice of the dataset's records was edited, and how many of it earlier slices hold too."""
    part = run.get("slice")
    return {"slice": "shared"} if part is None else {"slice": part["index"], "slice_reused": part["reused"]}


def _tags(run: Mapping[str, Any], study: str, not_finite: list[str]) -> dict[str, str]:
    tags = {column: str(run[column]) for column in RUN_COLUMNS} | {"study": study, "kind": run["kind"]}
    tags |= {f"version.{name}": str(value) for name, value in run["versions"].items()}
    tags |= {f"hardware.{name}": str(value) for name, value in run["hardware"].items()}
    tags |= {"model_sha256": run["model_sha256"], "dataset_sha256": run["dataset_sha256"]}
    if run.get("tuned"):
        tags["tuned"] = run["tuned"]  # digest of the search that chose the options
    return tags | ({"not_finite": ", ".join(not_finite)} if not_finite else {})


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
