"""Ingest into MLflow: what is written, that writing twice changes nothing, and that what went away goes away."""

from __future__ import annotations

import argparse
import json
import sqlite3
import struct
import subprocess
import sys
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from wise.commands import track
from wise.errors import DataError
from wise.files import sha256
from wise.tracking import connection
from wise.tracking.store import connect
from wise.tracking.summary import summarize

STARTED, FINISHED = "2024-05-01T10:00:00.000+00:00", "2024-05-01T10:01:00.000+00:00"


def make_run(folder: Path, editor: str, records: Path, nll: float = 0.5) -> tuple[Path, Path]:
    """run.json and scores of one run at T = 1 and T = 10."""
    folder.mkdir(parents=True)
    run = {
        "schema": 1, "kind": "edit", "dataset": "factworld-qa", "dataset_sha256": sha256(records), "model": "factlm",
        "model_sha256": "0" * 64, "editor": editor, "seed": 0, "layer": 4, "edits": 10, "grid": {"1": 1, "10": 1},
        "options": {"lr": 0.5, "steps": 7, "rule": "ties", "warm": False}, "started": STARTED, "finished": FINISHED,
        "versions": {"python": "3.11"}, "hardware": {"cpu": "test"}, "cost": {"edit_seconds_mean": 0.25}, "curve": [],
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run))
    row = {"dataset": "factworld-qa", "model": "factlm", "editor": editor, "seed": 0, "chunk": 0, "edit": 0, "age": 0}
    values = [(1, "rel", "a", 1.0), (10, "rel", "a", 1.0), (10, "rel", "b", 0.5), (10, "nll", "a", nll)]
    rows = [{**row, "T": T, "record": record, "metric": metric, "value": value} for T, metric, record, value in values]
    columns = ["dataset", "model", "editor", "seed", "T", "chunk", "edit", "age", "record", "metric", "value"]
    pd.DataFrame(rows)[columns].to_parquet(folder / "scores.parquet", index=False)
    return folder / "run.json", folder / "scores.parquet"


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A file that stands for the edit stream."""
    path = tmp_path / "edits.jsonl"
    path.write_text("{}\n")
    return path


@cache
def empty_store() -> bytes:
    """A database of MLflow without runs, which takes three seconds to make."""
    with tempfile.TemporaryDirectory() as folder:
        connect(f"sqlite:///{folder}/mlflow.db")
        return Path(folder, "mlflow.db").read_bytes()


def ingest(folder: Path, runs: list[tuple[Path, Path]], records: Path, tables: list[Path]) -> dict:
    """Run the verb; the summary that it writes."""
    if not (folder / "mlflow.db").exists():
        (folder / "mlflow.db").write_bytes(empty_store())
    args = argparse.Namespace(
        runs=[run for run, _ in runs],
        scores=[scores for _, scores in runs],
        records=[records],
        tables=tables,
        figures=[],
        uri=f"sqlite:///{folder / 'mlflow.db'}",
        experiment="test",
        artifacts=folder / "mlartifacts",
        out=folder / "tracking.json",
    )
    track.run(args)
    return json.loads(args.out.read_text())


def test_ingest_is_idempotent_and_complete(tmp_path: Path, records: Path):
    runs = [make_run(tmp_path / name, name, records) for name in ("grace", "ft-l")]
    table = tmp_path / "main.md"
    table.write_text("| editor |\n")
    first = ingest(tmp_path, runs, records, [table])
    assert (first["written"], first["kept"], first["removed"]) == (3, 0, 0)
    second = ingest(tmp_path, runs, records, [table])
    assert (second["written"], second["kept"], second["removed"]) == (0, 3, 0)

    client = MlflowClient(second["uri"])
    found = {run.info.run_name: run for run in client.search_runs([second["experiment_id"]])}
    grace = found["grace factworld-qa factlm seed 0"]
    assert (
        grace.data.params["lr"] == "0.5" and grace.data.params["rule"] == "ties" and grace.data.params["edits"] == "10"
    )
    assert grace.data.tags["study"] == "main" and grace.data.tags["editor"] == "grace"
    history = client.get_metric_history(grace.info.run_id, "Scores/rel")
    assert {point.step: point.value for point in history} == {1: 1.0, 10: 0.75}
    assert grace.data.metrics["cost/edit_seconds_mean"] == 0.25
    assert grace.data.metrics["Scores/ppl"] == pytest.approx(np.exp(0.5))
    assert grace.info.end_time - grace.info.start_time == 60_000
    dataset = grace.inputs.dataset_inputs[0].dataset
    assert dataset.name == "factworld-qa" and sha256(records).startswith(dataset.digest)
    assert Path(json.loads(dataset.source)["uri"]).exists()
    report = found["tables and figures"]
    assert [file.path for file in client.list_artifacts(report.info.run_id, "tables")] == ["tables/main.md"]

    third = ingest(tmp_path, runs[:1], records, [table])
    assert (third["written"], third["kept"], third["removed"]) == (0, 2, 1)
    assert {run.data.tags.get("editor") for run in client.search_runs([third["experiment_id"]])} == {"grace", None}


def test_a_run_that_is_not_as_it_was_written_is_written_again(tmp_path: Path, records: Path):
    runs = [make_run(tmp_path / "grace", "grace", records)]
    (tmp_path / "grace/memory").mkdir()
    first = ingest(tmp_path, runs, records, [])
    client = MlflowClient(first["uri"])
    grace = "run_uuid = (select run_uuid from runs where name like 'grace%' and lifecycle_stage = 'active')"
    for change in (
        f"update runs set status = 'RUNNING' where {grace}",
        f"update params set value = '0.25' where key = 'lr' and {grace}",
        f"update tags set value = '1' where key = 'dataset_sha256' and {grace}",
        f"update latest_metrics set value = 0.25 where key = 'Scores/rel' and {grace}",
        "update logged_model_metrics set metric_value = 0.25 where metric_name = 'Scores/rel'",
    ):
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
            assert database.execute(change).rowcount > 0, change
        done = ingest(tmp_path, runs, records, [])
        assert (done["written"], done["kept"], done["removed"]) == (1, 1, 1), change
        run = client.search_runs([first["experiment_id"]], "tags.editor = 'grace'")[0]
        assert (run.data.params["lr"], run.data.metrics["Scores/rel"]) == ("0.5", 0.75)
    client.set_tag(run.info.run_id, "mlflow.runName", "ours")
    assert ingest(tmp_path, runs, records, [])["kept"] == 2, "people may name a run"


def test_a_damaged_database_is_refused_with_what_to_do(tmp_path: Path, records: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "WAITS", (0.0,))
    runs = [make_run(tmp_path / "grace", "grace", records)]
    ingest(tmp_path, runs, records, [])
    store = tmp_path / "mlflow.db"
    whole = store.read_bytes()
    rel = struct.pack(">d", 0.75)  # which the index of the table of metrics holds too
    for damage in (whole[: len(whole) // 2], whole.replace(rel, struct.pack(">d", 0.76), 1)):
        store.write_bytes(damage)
        with pytest.raises(DataError, match="without that file where it is damaged, the same snakemake command"):
            ingest(tmp_path, runs, records, [])
    with closing(sqlite3.connect(store)) as database, database:
        store.write_bytes(whole)
        database.execute("update alembic_version set version_num = 'later'")
    with pytest.raises(DataError, match="Can't locate revision"):
        ingest(tmp_path, runs, records, [])


def test_what_is_not_finite_is_flagged_and_left_out(tmp_path: Path, records: Path):
    summary = summarize(*make_run(tmp_path / "ft-l", "ft-l", records, nll=float("inf")))
    assert summary.tags["not_finite"] == "nll at 10"
    assert "nll" not in {name for name, _, _ in summary.metrics}
    assert ("Scores/ppl", 100.0, 10) in summary.metrics


def test_studies_are_told_by_their_folder(tmp_path: Path, records: Path):
    paths = make_run(tmp_path / "ablations/shards/k~2/rho~0.5/seed0", "wise-merge", records)
    summary = summarize(*paths)
    assert summary.tags["study"] == "shards"
    assert summary.name == "shards k~2 rho~0.5 seed 0"


def test_equal_content_has_one_key_and_scores_of_another_run_are_refused(tmp_path: Path, records: Path):
    here, there = (make_run(tmp_path / name, "grace", records) for name in ("here", "there"))
    assert summarize(*here).key == summarize(*there).key
    other = make_run(tmp_path / "other", "ft-l", records)
    with pytest.raises(DataError, match="editor"):
        summarize(here[0], other[1])


def test_tracking_does_not_load_torch():
    loaded = "[name for name in ('torch', 'transformers') if name in sys.modules]"
    code = f"import sys, wise.commands.track, wise.tracking.store; sys.exit(str({loaded}) if {loaded} else 0)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_each_study_has_an_experiment_that_opens_on_its_scores(tmp_path: Path, records: Path):
    runs = [make_run(tmp_path / "grace", "grace", records)]
    points = [make_run(tmp_path / f"ablations/shards/k~{k}/rho~0.5/seed0", "wise-merge", records) for k in (2, 4)]
    for (run, _), shards in zip(points, (2, 4), strict=True):
        record = json.loads(run.read_text())
        run.write_text(json.dumps(record | {"options": {"shards": shards}}))
        (run.parent / "memory").mkdir()
    done = ingest(tmp_path, [*runs, *points], records, [])
    client = MlflowClient(done["uri"])
    named = {experiment.name: experiment for experiment in client.search_experiments()}
    assert {"test", "test/shards"} <= set(named) and list(done["links"]) == ["main", "shards"]
    assert "viewStateShareKey=wise" in done["link"] and done["links"]["main"] == done["link"]
    view = json.loads(named["test"].tags["mlflow.sharedViewState.wise"])
    assert view["runsHiddenMode"] == "SHOW_ALL" and view["groupBy"]["groupByKeys"][0]["groupByData"] == "editor"
    study = json.loads(named["test/shards"].tags["mlflow.sharedViewState.wise"])
    assert study["compareRunCharts"][0]["selectedParams"] == ["shards"] and "groupBy" not in study
    models = client.search_logged_models([named["test/shards"].experiment_id])
    assert len(models) == 2 and all(Path(model.tags["memory"]).name == "memory" for model in models)
    scores = {metric.key: metric for metric in models[0].metrics}
    rel = scores["Scores/rel"]
    assert rel.dataset_name == "factworld-qa" and rel.run_id == models[0].source_run_id

    again = ingest(tmp_path, runs, records, [])
    assert (again["written"], again["kept"], again["removed"]) == (0, 2, 2), "a study that went away goes away"
    assert not client.search_logged_models([named["test/shards"].experiment_id])
