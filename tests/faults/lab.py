"""Where faults are tried: a copy of the project with undisturbed results, and what of them has to come out again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.jobs import End, Job, jobs_of
from tests.workflow.conftest import Workspace, copy_project
from wise.files import read_json, sha256, write_json

CONFIG = Path(__file__).with_name("faults.yaml")
RESULTS = "results-faults"
TARGET = f"{RESULTS}/tables/main.csv"
"""What is asked for: everything that numbers pass through on their way into the main table."""
ASIDE = ("logs", "benchmarks", "mlartifacts", "checkpoints")
"""Folders that hold times, or copies."""
PROMISED = ("tables/main.csv", "scores/", "edit/", "models/", "prepared/", "data/")
"""What has to be the same in every run."""


@dataclass
class Tally:
    """How often something was tried, and how often it ended how; `faults` describe what ended in neither."""

    area: str
    what: str
    same: int = 0
    told: int = 0
    faults: list[str] = field(default_factory=list)
    skipped: str = ""
    part: str = ""
    """The part of the campaign that it belongs to, see `--only`."""
    seconds: float = 0.0

    @property
    def tried(self) -> int:
        """All of them."""
        return self.same + self.told + len(self.faults)

    def count(self, fault: str | None, told: bool = False) -> None:
        """Note one outcome, and say it; a fault where there is one."""
        say(f"    {self.area}: {self.what}: {fault or ('told' if told else 'same')}")
        if fault:
            self.faults.append(fault)
        elif told:
            self.told += 1
        else:
            self.same += 1


class Lab:
    """A workspace whose undisturbed results are kept in `kept`; made by two runs, whose common files are promised."""

    def __init__(self, project: Path, root: Path, kept: Path, seed: int) -> None:
        self.root = root
        self.random = random.Random(seed)
        notes = kept / "promised.json"
        self.workspace = Workspace(kept / "undisturbed", kept / "undisturbed" / RESULTS)
        self.kept = self.workspace.results
        if not notes.exists():
            shutil.rmtree(self.workspace.folder, ignore_errors=True)
            self.workspace.folder.mkdir(parents=True)
            copy_project(project, self.workspace.folder)
            shutil.copy2(CONFIG, self.workspace.folder / "config/faults.yaml")
            write_json(notes, self._promised())
        self.promised: dict[str, str] = read_json(notes)
        self.jobs = jobs_of(snakemake(self.workspace, "--dry-run", "--forceall", "--printshellcmds").said)

    def _promised(self) -> dict[str, str]:
        """Digests of the files that two undisturbed runs agree in."""
        first = self._made()
        shutil.rmtree(self.kept)
        second = self._made()
        promised = {path: digest for path, digest in first.items() if second.get(path) == digest}
        for begins in PROMISED:
            if not any(path.startswith(begins) for path in promised):
                raise RuntimeError(f"two undisturbed runs agree in no file of {begins}")
        return promised

    def _made(self) -> dict[str, str]:
        end = snakemake(self.workspace)
        if end.status:
            raise RuntimeError(f"the workflow failed undisturbed: {end.said[-4000:]}")
        return digests(self.kept)

    def job(self, name: str, holding: str = "") -> Job:
        """The first job of that verb or artifact whose command holds a text."""
        return next(job for job in self.jobs if job.name == name and holding in " ".join(job.argv))

    @contextmanager
    def before(self, job: Job, place: Path | None = None) -> Iterator[Workspace]:
        """A copy of the workspace as it is before a job, with what later jobs have made."""
        with self.copied(place=place) as workspace:
            job.clear(workspace.folder)
            yield workspace

    @contextmanager
    def copied(self, results: bool = True, place: Path | None = None) -> Iterator[Workspace]:
        """A copy of the workspace, with or without its results and what Snakemake knows of them."""
        folder = (place or self.root) / "tried"
        left_out = () if results else (RESULTS, ".snakemake")
        shutil.copytree(self.workspace.folder, folder, ignore=shutil.ignore_patterns(*left_out))
        try:
            yield Workspace(folder, folder / RESULTS)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def differs(self, results: Path, *below: str) -> str | None:
        """What of the promised files is missing or not as promised, of those below some paths; None for nothing."""
        found = digests(results)
        wrong = [
            f"{path} {'differs' if path in found else 'is missing'}"
            for path, digest in self.promised.items()
            if found.get(path) != digest and (not below or path.startswith(below))
        ]
        return ", ".join(wrong[:3]) or None


def digests(results: Path) -> dict[str, str]:
    """sha256 of every file of a results folder that is not hidden and not among `ASIDE`."""
    files = (path for path in sorted(results.rglob("*")) if path.is_file())
    named = {path.relative_to(results).as_posix(): path for path in files}
    return {name: sha256(path) for name, path in named.items() if not name.startswith(ASIDE) and "/." not in name}


def snakemake(workspace: Workspace, *arguments: str, before: tuple[str, ...] = ()) -> End:
    """Run the workflow to its end, behind other commands such as `faketime`."""
    run = subprocess.run(
        [*before, *workspace.command(*arguments, "--", TARGET, config="config/faults.yaml")],
        cwd=workspace.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=300,
    )
    return End(run.returncode, run.stdout)


def resume(workspace: Workspace) -> End:
    """What the documentation says to do after a hard kill."""
    snakemake(workspace, "--unlock")
    return snakemake(workspace)


def begin(workspace: Workspace) -> subprocess.Popen:
    """Start the workflow in a session of its own."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = workspace.command("--", TARGET, config="config/faults.yaml")
    return subprocess.Popen(command, cwd=workspace.folder, start_new_session=True, **quiet)


def processes_below(pid: int) -> list[int]:
    """All processes that a process has started, directly or not."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
        except OSError:
            continue  # it has just ended
        parents.setdefault(parent, []).append(int(entry.name))
    below = [pid]
    for one in below:
        below += parents.get(one, [])
    return below[1:]


def kill(pid: int) -> None:
    """End a process at once, if it is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def say(text: str) -> None:
    """One line for whoever waits."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
