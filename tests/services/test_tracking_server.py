"""Tracking with a PostgreSQL server and an MLflow server that run here. `make services-test`; skipped without them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from sqlalchemy import create_engine, text

from tests.services.postgres import Postgres, mlflow_server, postgres, programs
from tests.unit.test_tracking import make_run


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    if find_spec("psycopg2") is None:
        pytest.skip("no driver: pip install -c constraints.txt -e .[postgres]")
    with postgres() as made:
        yield made


@pytest.fixture
def database(server: Postgres) -> Postgres:
    """The server with an empty database."""
    server.create()
    return server


def command(folder: Path, uri: str, editors: tuple[str, ...] = ("grace", "ft-l"), experiment: str = "test") -> list:
    """A command that tracks some runs, with a table."""
    records = folder / "edits.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    records.write_text("{}\n")
    (table := folder / "main.md").write_text("| editor |\n")
    runs = [make_run(folder / name, name, records) for name in editors if not (folder / name).exists()]
    return [
        *(sys.executable, "-m", "wise", "track", "--runs", *(run for run, _ in runs)),
        *("--scores", *(scores for _, scores in runs), "--records", records, "--tables", table, "--uri", uri),
        *("--experiment", experiment, "--artifacts", folder / "mlartifacts", "--out", folder / "tracking.json"),
    ]


def track(asked: list) -> subprocess.CompletedProcess[str]:
    """Run such a command to its end."""
    return subprocess.run(asked, capture_output=True, text=True, timeout=300)


def runs_in(uri: str, experiment: str) -> list:
    """All runs of an experiment."""
    client = MlflowClient(uri)
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def test_two_workflows_track_into_an_empty_database_at_once(tmp_path: Path, database: Postgres):
    asked = [command(tmp_path / name, database.uri) for name in ("one", "two")]
    started = [subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for each in asked]
    said = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert len(runs_in(database.uri, "test")) == 2 * (2 + 1), "each the runs of its folder and a report"
    for name in ("one", "two"):
        written = (tmp_path / name / "tracking.json").read_text()
        assert json.loads(written)["written"] == 3
        assert "secret" not in written + "".join(said)


def test_the_schema_is_upgraded_before_anything_is_written(tmp_path: Path, database: Postgres):
    asked = command(tmp_path, database.uri)
    assert track(asked).returncode == 0
    engine = create_engine(database.uri)
    from alembic import command as alembic
    from mlflow.store.db.utils import _get_alembic_config

    with engine.begin() as connection:
        newest = connection.execute(text("select version_num from alembic_version")).scalar()
    config = _get_alembic_config(database.uri)
    try:
        alembic.downgrade(config, "-1")
    except NotImplementedError:
        pytest.skip("MLflow's last migration cannot be undone")
    with engine.begin() as connection:
        assert connection.execute(text("select version_num from alembic_version")).scalar() != newest
    again = track(asked)
    assert again.returncode == 0, again.stderr
    with engine.begin() as connection:
        assert connection.execute(text("select version_num from alembic_version")).scalar() == newest
    engine.dispose()


def test_a_lost_connection_is_waited_for(tmp_path: Path, database: Postgres):
    asked = command(tmp_path, database.uri)
    assert track(asked).returncode == 0
    database.stop()
    back = threading.Timer(8, database.start)
    back.start()
    again = track(asked)
    back.join()
    assert again.returncode == 0, again.stderr
    assert "once more in" in again.stderr
    assert json.loads((tmp_path / "tracking.json").read_text())["kept"] == 3


def test_a_store_that_stays_away_is_an_error_that_says_how_to_track_later(tmp_path: Path, database: Postgres):
    asked = command(tmp_path, database.uri)
    database.stop()
    try:
        started = time.monotonic()
        failed = track(asked)
        assert time.monotonic() - started < 200
    finally:
        database.start()
    assert failed.returncode == 2 and "Traceback" not in failed.stderr
    assert "All results are on the disk" in failed.stderr and "the same snakemake command" in failed.stderr
    assert "secret" not in failed.stderr
    assert not (tmp_path / "tracking.json").exists()
    assert track(asked).returncode == 0


def test_a_server_keeps_the_artifacts(tmp_path: Path, database: Postgres):
    with mlflow_server(database.uri, tmp_path / "served") as address:
        done = track(command(tmp_path / "one", address))
        assert done.returncode == 0, done.stderr
        client = MlflowClient(address)
        report = next(run for run in runs_in(address, "test") if run.data.tags["kind"] == "report")
        assert [file.path for file in client.list_artifacts(report.info.run_id, "tables")] == ["tables/main.md"]
        assert report.info.artifact_uri.startswith("mlflow-artifacts:")
    assert [path.name for path in (tmp_path / "served").rglob("*.md")] == ["main.md"]
    assert not (tmp_path / "one/mlartifacts").exists()
