"""A run that sends its jobs away, is killed in the middle and resumed, beside a run on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.workflow.conftest import Workspace, copy_project

PLACE = "config/cluster.yaml"
SECONDS = 3600


def workspace(project: Path, folder: Path, config: str) -> Workspace:
    """A copy of the project with a configuration, which stands in `PLACE`."""
    made = copy_project(project, folder)
    shutil.copy2(project / config, made.folder / PLACE)
    return Workspace(made.folder, made.folder / yaml.safe_load((made.folder / PLACE).read_text())["results"])


def killed_and_resumed(
    here: Workspace, command: list[str], environment: dict[str, str], between: Callable[[], None]
) -> str:
    """What a run printed that was killed behind its first scores and given again after `between()`."""
    log = here.folder / "cluster.log"
    with log.open("w") as output:
        options = {"cwd": here.folder, "env": environment, "stdout": output, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, start_new_session=True, **options)
        _wait_for(lambda: any(here.results.glob("scores/**/*.parquet")), process, log)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        between()
        resumed = subprocess.run(command, timeout=SECONDS, **options)
    printed = log.read_text()
    assert resumed.returncode == 0, printed[-4000:]
    return printed


def assert_same_without(here: Workspace) -> None:
    """The main table is that of a run whose jobs are processes of this machine."""
    table = here.results / "tables/main.csv"
    sent = table.read_bytes()
    shutil.rmtree(here.results)
    asked = here.command("--", str(table.relative_to(here.folder)), config=PLACE)
    alone = subprocess.run(asked, cwd=here.folder, capture_output=True, text=True, timeout=SECONDS)
    assert alone.returncode == 0, alone.stdout[-2000:] + alone.stderr[-2000:]
    assert table.read_bytes() == sent


def _wait_for(reached: Callable[[], bool], process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + SECONDS
    while not reached():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(
                f"the run ended (status {process.poll()}) or took too long before it could be killed: "
                f"{log.read_text()[-2000:]}"
            )
        time.sleep(0.1)  # noqa: TID251 - until something is there
