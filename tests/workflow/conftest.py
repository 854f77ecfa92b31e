"""A copy of the project in which the whole workflow was run once, killed in the middle and resumed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.workflow import forks

PARTS = ("Snakefile", "rules", "config", "profiles", "report", "envs", "constraints.txt", "wise", "analysis")
TINY = Path(__file__).with_name("tiny.yaml")


@dataclass
class Workspace:
    """A copy of the project's workflow in a folder of its own."""

    folder: Path
    results: Path
    finished_before_kill: dict[Path, int] = field(default_factory=dict)  # file to modification time, in ns
    resumed: str = ""  # what the resumed run printed
    dry_runs: dict[tuple[tuple[str, ...], str], str] = field(default_factory=dict)  # what was printed, see `dry_run`

    def command(self, *arguments: str, config: str = "config/tiny.yaml") -> list[str]:
        """A Snakemake command on two cores."""
        snakemake = str(Path(sys.executable).with_name("snakemake"))
        return [snakemake, "--cores", "2", "--configfile", config, *arguments]

    def snakemake(self, *arguments: str, config: str = "config/tiny.yaml") -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end; stdout holds everything that it printed."""
        command = self.command(*arguments, config=config)
        printed = self.folder / "printed.txt"
        status = forks.snakemake(command[1:], self.folder, printed)
        return subprocess.CompletedProcess(command, status, printed.read_text())

    def dry_run(self, *arguments: str, config: str = "config/tiny.yaml") -> str:
        """What a dry run with all commands prints; where nothing was run in between, it is made once."""
        asked = (arguments, (self.folder / config).read_text())
        if asked not in self.dry_runs:
            run = self.snakemake("--dry-run", "--printshellcmds", *arguments, config=config)
            assert run.returncode == 0, run.stdout[-4000:]
            self.dry_runs[asked] = run.stdout
        return self.dry_runs[asked]

    def planned(self, *arguments: str, config: str = "config/tiny.yaml") -> dict[str, int]:
        """Number of jobs by rule that a dry run announces."""
        return job_counts(self.snakemake("--dry-run", *arguments, config=config).stdout)


def job_counts(printed: str) -> dict[str, int]:
    """The table of job statistics in what Snakemake printed; empty when there is nothing to do."""
    table = printed.partition("Job stats:")[2].split("total")[0].splitlines()
    rows = [line.split() for line in table]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def copy_project(project: Path, folder: Path) -> Workspace:
    """Copy what the workflow consists of, and the tiny configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = project / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)
    shutil.copy2(TINY, folder / "config/tiny.yaml")
    return Workspace(folder, folder / "results-tiny")


@pytest.fixture(scope="session")
def copied(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy in which nothing was run."""
    return copy_project(project, tmp_path_factory.mktemp("copied"))


@pytest.fixture(scope="session")
def finished(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy with complete results, whose run was killed without warning behind the first edit job."""
    workspace = copy_project(project, tmp_path_factory.mktemp("finished"))
    process = subprocess.Popen(
        workspace.command(),
        cwd=workspace.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _wait_for(lambda: any(workspace.results.glob("scores/**/*.parquet")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    workspace.finished_before_kill = {
        path: path.stat().st_mtime_ns
        for path in (*workspace.results.glob("data/*/*.jsonl"), *workspace.results.glob("models/*.json"))
    }
    workspace.snakemake("--unlock")
    resumed = workspace.snakemake()
    workspace.resumed = resumed.stdout
    assert resumed.returncode == 0, resumed.stdout[-4000:]
    return workspace


def _wait_for(reached, process: subprocess.Popen, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not reached():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the run ended (status {process.poll()}) or took too long before it could be killed")
        time.sleep(0.05)  # noqa: TID251 - until something is there
