"""The one writer of the MLflow store. What it writes is a copy: the store can be deleted and written again.

Runs are flat (a parent without metrics would show an empty page) and carry a content key, which makes
writing idempotent: a run with the same key is kept, every other one of this experiment is removed.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

from mlflow.db import upgrade
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from wise.errors import ConfigError
from wise.tracking.connection import is_server, reach
from wise.tracking.content import KEY_TAG, SOURCE_TAG, is_whole, params_of, tags_of
from wise.tracking.summary import Summary
from wise.tracking.view import KEY, TAG, shared_view

LOG = logging.getLogger(__name__)

REPORT_KIND = "report"
BATCH = 1000  # the most metrics that MLflow takes at once
NOTE_LENGTH = 8000  # the longest value of a tag
DIGEST = 32  # MLflow takes at most 36 characters; the whole digest of a dataset is a tag


def connect(uri: str) -> MlflowClient:
    """A client of a store, whose tables are brought up to date first where it is a database."""
    if not is_server(uri):
        # Brings a store of an older MLflow up to date, and makes a new one before anybody else can.
        if uri.startswith("sqlite:///"):
            file = Path(uri.removeprefix("sqlite:///"))
            file.parent.mkdir(parents=True, exist_ok=True)
            _require_own(file)
        reach(uri)
        cast(Callable[[str], None], upgrade.callback)(uri)
    return MlflowClient(uri)


def _require_own(file: Path) -> None:
    """Raise `ConfigError` for an SQLite file of somebody else, which would be given MLflow's tables."""
    if not file.exists() or not file.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as reading:
            tables = {name for (name,) in reading.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            raise ConfigError(f"tracking.uri: {file} is no SQLite file ({error})") from error
        return  # one that was damaged, of which `reach` says what to do
    if tables and "alembic_version" not in tables:
        raise ConfigError(f"tracking.uri: {file} is an SQLite file of something else than MLflow; name another")


def experiments_below(client: MlflowClient, name: str) -> list[str]:
    """Experiments of studies that stand below the experiment `name`, those of earlier runs included."""
    found = client.search_experiments(filter_string=f"name LIKE '{name}/%'")
    return [experiment.name for experiment in found]


class Store:
    """One experiment of one MLflow server or database, as the place of the runs of one study of a results folder.

    `source` names that folder: only runs that carry it are ever removed, so that several people can share a server.
    """

    def __init__(self, client: MlflowClient, uri: str, experiment: str, artifacts: Path, source: str) -> None:
        self.client = client
        self.source = source
        # A server has a place of its own for artifacts; a database has not.
        location = None if is_server(uri) else artifacts.resolve().as_uri()
        self.experiment_id = self._experiment(experiment, location)

    def _experiment(self, name: str, location: str | None) -> str:
        """The id of the experiment, which is made where there is none."""
        kind = {"mlflow.experimentKind": "custom_model_development"}  # else its pages open in the mode for agents
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return self.client.create_experiment(name, artifact_location=location, tags=kind)
            except MlflowException:
                found = self.client.get_experiment_by_name(name)  # another workflow was faster
                if found is None:
                    raise
        return found.experiment_id

    def keep(self, wanted: Mapping[str, Summary | None]) -> tuple[set[str], int]:
        """Remove every run of this source but the complete ones with these keys: (keys found, runs removed).

        A run that does not hold (any more) what its summary says is removed too, with a warning.
        """
        kept, removed = set(), 0
        for run in self._own_runs():
            key = run.data.tags.get(KEY_TAG, "")
            own = f"source_run_id = '{run.info.run_id}'"
            models = self.client.search_logged_models([self.experiment_id], own)
            is_wanted = key in wanted.keys() - kept and run.info.status == "FINISHED"
            summary = wanted[key] if key is not None and is_wanted else None
            if is_wanted and (summary is None or is_whole(summary, self.source, run, models)):
                kept.add(key)
                continue
            if summary is not None:
                LOG.warning("run '%s' was changed in the tracking store; it is written again", summary.name)
            for model in models:
                self.client.delete_logged_model(model.model_id)
            self.client.delete_run(run.info.run_id)
            removed += 1
        return kept, removed

    def _own_runs(self) -> list[Run]:
        """All runs of this source."""
        runs, page_token = [], None
        while page_token != "":
            page = self.client.search_runs(
                [self.experiment_id], f"tags.{SOURCE_TAG} = '{self.source}'", page_token=page_token
            )
            runs += page
            page_token = page.token or ""
        return runs

    def write(self, summary: Summary, data_path: Path | None) -> None:
        """Write one run, and the memory that it saved; `data_path` is what its dataset digest was taken of."""
        run_id = self._start(summary.name, summary.started, tags_of(summary, self.source))
        params = [Param(name, value) for name, value in params_of(summary).items()]
        model = self._memory(summary, run_id) if summary.memory else None
        data = {"dataset_name": summary.dataset, "dataset_digest": summary.dataset_sha256[:DIGEST]} if model else {}
        metrics = [
            Metric(name, value, summary.finished, step, model_id=model, **data) for name, value, step in summary.metrics
        ]
        self.client.log_batch(run_id, params=params, metrics=metrics[:BATCH])
        for start in range(BATCH, len(metrics), BATCH):
            self.client.log_batch(run_id, metrics=metrics[start : start + BATCH])
        if data_path is not None:
            self.client.log_inputs(run_id, [_dataset_input(summary, data_path)])
        self.client.set_terminated(run_id, "FINISHED", end_time=summary.finished)

    def write_report(self, key: str, name: str, moment: int, folders: Mapping[str, Sequence[Path]], note: str) -> None:
        """Write the run that holds tables and figures as artifacts, with `note` (Markdown) as its description."""
        tags = {"kind": REPORT_KIND, KEY_TAG: key, SOURCE_TAG: self.source, "mlflow.note.content": note[:NOTE_LENGTH]}
        run_id = self._start(name, moment, tags)
        for folder, files in folders.items():
            for file in files:
                self.client.log_artifact(run_id, str(file), folder)
        self.client.set_terminated(run_id, "FINISHED", end_time=moment)

    def _memory(self, summary: Summary, run_id: str) -> str:
        """The saved memory of a run as a model of it, whose files stay where they are; the model's id."""
        tags = {"mlflow.model.isExternal": "true", "memory": summary.memory, SOURCE_TAG: self.source}
        params = params_of(summary)
        made = self.client.create_logged_model(
            self.experiment_id, re.sub(r"[^\w~-]+", "-", summary.name), run_id, tags, params, "edit memory"
        )
        self.client.finalize_logged_model(made.model_id, "READY")
        last = max((step for _, _, step in summary.metrics), default=0)
        self.client.log_outputs(run_id, [LoggedModelOutput(made.model_id, last)])
        return made.model_id

    def arrange(self, summaries: Sequence[Summary]) -> None:
        """Set the view in which the experiment opens by `link`."""
        metrics = sorted({name for summary in summaries for name, _, _ in summary.metrics})
        state = shared_view([summary.params for summary in summaries], metrics)
        self.client.set_experiment_tag(self.experiment_id, TAG, state)

    def link(self) -> str:
        """The page that compares the runs, below the address of the server, in its shared view."""
        page = f"/#/experiments/{self.experiment_id}/runs"
        return f"{page}?viewStateShareKey={KEY}&workflowType=machine_learning&compareRunsMode=CHART"

    def _start(self, name: str, started: int, tags: Mapping[str, str]) -> str:
        run = self.client.create_run(self.experiment_id, start_time=started, tags=dict(tags), run_name=name)
        return run.info.run_id


def _dataset_input(summary: Summary, path: Path) -> DatasetInput:
    dataset = Dataset(
        name=summary.dataset,
        digest=summary.dataset_sha256[:DIGEST],
        source_type="local",
        source=json.dumps({"uri": str(path)}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "evaluation")])
