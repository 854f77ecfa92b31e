"""A PostgreSQL server in a folder, and an MLflow server in front of it, for tests; both end with their block."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER_USER = "postgres"
"""Who runs the server where the tests run as root, which PostgreSQL refuses to be run by."""


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, None where they are not installed; Debian keeps them off PATH."""
    found = [
        Path(path).parent for path in (shutil.which("createdb"),) if path and Path(path).with_name("initdb").exists()
    ]
    found += [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]
    return next(iter(found), None)


class Postgres:
    """A server with a data folder of its own, which can be stopped and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.data, self.port = programs(), folder / "data", free_port()
        self.databases = 0
        folder.mkdir(parents=True)
        self.user = SERVER_USER if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(folder, self.user)
        self._run("initdb", "-D", self.data, "-U", "wise", "--auth=trust", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.data} -c fsync=off"
        self._run("pg_ctl", "-D", self.data, "-l", self.data.parent / "log", "-w", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; "immediate" is what a power failure does."""
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    @property
    def uri(self) -> str:
        """The address of the newest database."""
        return f"postgresql://wise:secret@127.0.0.1:{self.port}/mlflow{self.databases}"

    def create(self) -> None:
        """Make another database, which is empty."""
        self.databases += 1
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "wise", f"mlflow{self.databases}")

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [str(self.bin / program), *map(str, arguments)]
        done = subprocess.run(
            command, user=self.user, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr[-1000:]}")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A started server with an empty database, in a folder where its user may go (pytest's are private)."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = Postgres(Path(folder, "postgres"))
        server.start()
        try:
            server.create()
            yield server
        finally:
            server.stop()


@contextmanager
def mlflow_server(uri: str, artifacts: Path) -> Iterator[str]:
    """`mlflow server` on the database, which serves artifacts itself; yields its address."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1"),
        *("--port", str(port), "--artifacts-destination", str(artifacts), "--workers", "1"),
    ]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=environment, start_new_session=True, **quiet)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/health", process)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _wait_for(address: str, process: subprocess.Popen, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)  # noqa: TID251 - until the server answers
    raise RuntimeError(f"mlflow server did not answer (status {process.poll()})")
