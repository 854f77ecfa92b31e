"""What MLflow holds of one run: its tags, parameters and metrics, and whether it still holds them as they were written.

A file on a disk can change without an error. What the index of a database does not guard is compared here with the
results, before a run counts as written; `wise.tracking.connection.reach` looks at the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from mlflow.entities import LoggedModel, Run

from wise.tracking.summary import Summary

KEY_TAG = "content_key"
SOURCE_TAG = "results"


def tags_of(summary: Summary, source: str) -> dict[str, str]:
    """Tags of a run of the results folder `source`."""
    return {**summary.tags, KEY_TAG: summary.key, SOURCE_TAG: source}


def params_of(summary: Summary) -> dict[str, str]:
    """Parameters, numbers bare, so that the parallel-coordinates chart takes them as numbers; else JSON or text."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in summary.params.items()}


def is_whole(summary: Summary, source: str, run: Run, models: Iterable[LoggedModel]) -> bool:
    """Whether a run, with the models that it saved, is what was written of this summary."""
    models = list(models)
    expected = tags_of(summary, source).items(), params_of(summary), last_values(summary), summary.started
    found = run.data.tags.items(), run.data.params, run.data.metrics, run.info.start_time
    return (
        expected[0] <= found[0]  # MLflow adds tags of its own, and so do people, who may also rename a run
        and expected[1:] == found[1:]
        and run.info.end_time == summary.finished
        and len(models) == int(bool(summary.memory))
        and all(_is_whole_model(summary, model) for model in models)
    )


def last_values(summary: Summary) -> dict[str, float]:
    """The value of each metric at its largest step, which MLflow shows for the run."""
    return {name: value for name, value, _ in sorted(summary.metrics, key=lambda metric: metric[2])}


def _is_whole_model(summary: Summary, model: LoggedModel) -> bool:
    found = {(metric.key, metric.value, metric.step) for metric in model.metrics or ()}
    return found == set(summary.metrics) and model.params == params_of(summary)
