"""The MLflow store in a file: damaged, its writer killed, and no space for it.

The job that writes it is none of those that lead to the main table, so it is made here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.faults.disk import damages, fill, tmpfs
from tests.faults.jobs import Job, carry_out, die
from tests.faults.kills import strike_call
from tests.faults.lab import RESULTS, Lab, Tally
from tests.workflow.conftest import Workspace

STORE = f"{RESULTS}/mlflow.db"

TABLES = "making the tables"

CALLS = {
    TABLES: "wise.tracking.store:connect",
    "making an experiment": "mlflow.tracking:MlflowClient.create_experiment",
    "beginning a run": "mlflow.tracking:MlflowClient.create_run",
    "writing metrics": "mlflow.tracking:MlflowClient.log_batch",
    "noting a memory": "mlflow.tracking:MlflowClient.create_logged_model",
    "ending a run": "mlflow.tracking:MlflowClient.set_terminated",
    "copying a table": "mlflow.tracking:MlflowClient.log_artifact",
    "arranging the view": "mlflow.tracking:MlflowClient.set_experiment_tag",
}
"""Phases of tracking, by the function that is called in each."""

CONTENT = """
select 'metric', e.name, r.name, m.key, m.step, m.value from metrics m
  join runs r using (run_uuid) join experiments e using (experiment_id) where r.lifecycle_stage = 'active' union
select 'shown', e.name, r.name, m.key, m.step, m.value from latest_metrics m
  join runs r using (run_uuid) join experiments e using (experiment_id) where r.lifecycle_stage = 'active' union
select 'parameter', e.name, r.name, p.key, 0, p.value from params p
  join runs r using (run_uuid) join experiments e using (experiment_id) where r.lifecycle_stage = 'active' union
select 'memory', e.name, l.name, m.metric_name, m.metric_step, m.metric_value from logged_model_metrics m
  join logged_models l using (model_id) join experiments e on e.experiment_id = l.experiment_id
  where l.lifecycle_stage = 'active'
"""
"""All numbers of a store, whatever its runs' ids are."""


def damaged_store(lab: Lab, flips: int) -> Iterator[Tally]:
    """Tracking into a damaged store refuses it by its name, or leaves it with the numbers that it should have."""
    tally = Tally("file truncated or a bit flipped", "MLflow store")
    job = _job(lab)
    with lab.copied() as workspace:
        whole, promised = _made(job, workspace)
    for text, damage in damages(lab, flips):
        with lab.copied() as workspace:
            store = workspace.folder / STORE
            store.write_bytes(whole)
            damage(store)
            end = carry_out(job, workspace.folder)
            if end.is_clear and store.name in end.said:
                tally.count(None, told=True)
            elif end.status:
                tally.count(f"{text}: status {end.status} {end.said[-600:]}")
            else:
                tally.count(_fault(store, promised, text))
    yield tally


def struck(lab: Lab) -> Iterator[Tally]:
    """Tracking that is killed, or finds the disk full, in the middle: given again, it ends with the same numbers."""
    job = _job(lab)
    with lab.copied() as workspace:
        _, promised = _made(job, workspace)
        (workspace.folder / STORE).unlink()
        carry_out(job, workspace.folder, started=partial(strike_call, CALLS[TABLES], 1, die))
        empty = (workspace.folder / STORE).read_bytes()

    def prepare(workspace: Workspace, phase: str) -> None:
        if phase != TABLES:  # which take longer than all the rest
            (workspace.folder / STORE).write_bytes(empty)

    tally = Tally("SIGKILL at each phase of tracking", f"{len(CALLS)} phases, the first call and the second")
    for phase, place in CALLS.items():
        for call in (1, 2):
            with lab.copied() as workspace:
                prepare(workspace, phase)
                end = carry_out(job, workspace.folder, started=partial(strike_call, place, call, die))
                if end.status < 0:
                    tally.count(_again(job, workspace, promised, f"{phase}, call {call}"))
                elif call == 1:
                    tally.count(f"{phase}: was not reached ({end.status}: {end.said[-300:]})")
    yield tally
    tally = Tally("disk full from each phase of tracking on", f"{len(CALLS)} phases")
    with tmpfs(lab.root / "small") as small:
        ballast = small / "ballast"
        for phase, place in CALLS.items():
            with lab.copied(place=small) as workspace:
                prepare(workspace, phase)
                started = partial(strike_call, place, 1, partial(fill, ballast))
                end = carry_out(job, workspace.folder, started=started)
                ballast.unlink(missing_ok=True)
                if end.status == 0:
                    tally.count(_fault(workspace.folder / STORE, promised, phase))
                elif not end.is_clear:
                    tally.count(f"{phase}: {end.status} {end.said[-600:]}")
                else:
                    tally.count(_again(job, workspace, promised, phase), told=True)
    yield tally


def _job(lab: Lab) -> Job:
    """The command that tracks all runs of the main comparison."""
    runs = sorted(path.relative_to(lab.workspace.folder).as_posix() for path in lab.kept.glob("edit/**/run.json"))
    scores = [f"{run.removesuffix('/run.json').replace('/edit/', '/scores/')}.parquet" for run in runs]
    argv = (
        *("track", "--runs", *runs, "--scores", *scores, "--records", f"{RESULTS}/data/factworld-qa/edits.jsonl"),
        *("--tables", f"{RESULTS}/tables/main.md", "--uri", f"sqlite:///{STORE}", "--experiment", "faults"),
        *("--artifacts", f"{RESULTS}/mlartifacts", "--out", f"{RESULTS}/tracking.json"),
    )
    return Job("wise.cli", argv)


def _made(job: Job, workspace: Workspace) -> tuple[bytes, set[tuple]]:
    """A whole store, and what it holds."""
    end = carry_out(job, workspace.folder)
    if end.status:
        raise RuntimeError(f"tracking failed undisturbed: {end.said[-2000:]}")
    store = workspace.folder / STORE
    return store.read_bytes(), content(store)


def _again(job: Job, workspace: Workspace, promised: set[tuple], where: str) -> str | None:
    end = carry_out(job, workspace.folder)
    if end.status:
        return f"{where}: the next attempt failed: {end.said[-600:]}"
    return _fault(workspace.folder / STORE, promised, where)


def _fault(store: Path, promised: set[tuple], where: str) -> str | None:
    """What is wrong with the numbers of a store."""
    try:
        wrong = content(store) ^ promised
    except sqlite3.DatabaseError as error:
        return f"{where}: tracking ended well, and the store cannot be read: {error}"
    return f"{where}: the store differs in {sorted(map(str, wrong))[:3]}" if wrong else None


def content(store: Path) -> set[tuple]:
    """Every number of a store with its experiment, run and step."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        return set(database.execute(CONTENT))
