"""One job of the workflow in a child of this process, which may be struck while it works.

A child starts from what is imported already. `strike` is called at the n-th of the job's own changes to the disk: each
file that it opens to write, renames or removes, each folder that it makes. Those of the system's libraries, which
write tensors and tables, lie between two of them.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

WRITES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree")
SECONDS = 120

Strike = Callable[[], None]


@dataclass(frozen=True)
class Job:
    """A command of the workflow: the module that is run, and its arguments."""

    module: str
    argv: tuple[str, ...]

    @property
    def name(self) -> str:
        """The verb or the artifact."""
        return self.argv[0]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Files and folders that it writes."""
        behind = self.argv[self.argv.index("--out") + 1 :]
        return tuple(word for word in behind if "/" in word)

    def clear(self, folder: Path) -> None:
        """Remove what an earlier run has written."""
        for output in self.outputs:
            path = folder / output
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def reads(self, path: str) -> bool:
        """Whether its command names a file, or the folder that the file lies in, as something other than its output."""
        before = self.argv[: self.argv.index("--out")]
        return any(path == word or path.startswith(f"{word}/") for word in before if "/" in word)


@dataclass(frozen=True)
class End:
    """How a job ended: its status (negative: the signal that ended it) and what it said."""

    status: int
    said: str

    @property
    def is_clear(self) -> bool:
        """Whether it failed with a message in place of a traceback."""
        return self.status > 0 and bool(self.said.strip()) and "Traceback" not in self.said


def jobs_of(printed: str) -> list[Job]:
    """The commands among what `snakemake --printshellcmds` printed."""
    lines = (line.strip() for line in printed.splitlines())
    words = [shlex.split(line.split(" 2> ")[0]) for line in lines if "python -m " in line and " 2> " in line]
    commands = [command[command.index("-m") + 1 :] for command in words]
    modules = {"wise": "wise.cli", "analysis": "analysis.__main__"}
    return list(dict.fromkeys(Job(modules[module], tuple(argv)) for module, *argv in commands))


def carry_out(job: Job, folder: Path, at: int = 0, strike: Strike | None = None, started: Strike | None = None) -> End:
    """Run a job in `folder`, with `strike` at its `at`-th change to the disk; `started` is called before it begins."""
    log = Path(tempfile.mkdtemp()) / "log"  # not where the disk may be full
    child = multiprocessing.get_context("fork").Process(target=_work, args=(job, folder, log, at, strike, started))
    child.start()
    child.join(SECONDS)
    if child.exitcode is None:
        child.kill()
        child.join()
        return End(-int(signal.SIGALRM), f"still at work after {SECONDS} s")
    said = log.read_text(errors="replace")
    shutil.rmtree(log.parent)
    return End(child.exitcode, said)


def changes(job: Job, folder: Path) -> int:
    """How often a job changes the disk, by running it; it has to succeed."""
    counted = multiprocessing.get_context("fork").Value("i", 0)

    def count() -> None:
        counted.value += 1

    end = carry_out(job, folder, -1, count)
    if end.status:
        raise RuntimeError(f"{job.name} failed undisturbed: {end.said[-2000:]}")
    return counted.value


def die() -> None:
    """As an out-of-memory killer or `kill -9` ends a job."""
    os.kill(os.getpid(), signal.SIGKILL)


def limit_memory(more: int) -> None:
    """Let this process take only so many bytes more than it has, as `ulimit -v` does."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + more, used + more))


def _work(job: Job, folder: Path, log: Path, at: int, strike: Strike | None, started: Strike | None) -> None:
    """In the child: become the command."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.chdir(folder)
    if strike is not None:
        _watch(at, strike)
    if started is not None:
        started()
    sys.exit(importlib.import_module(job.module).main(list(job.argv)))


def _watch(at: int, strike: Strike) -> None:
    """Call `strike` at the `at`-th change to the disk from here on, at each where that is -1."""
    seen = [0]
    own = os.getcwd()

    def hook(event: str, arguments: Sequence[object]) -> None:
        if event in WRITES or (event == "open" and _writes(arguments)):
            place = arguments[0]
            if isinstance(place, str | os.PathLike) and not os.path.join(own, os.fspath(place)).startswith(own):
                return
            seen[0] += 1
            if at in (-1, seen[0]):
                strike()

    sys.addaudithook(hook)


def _writes(arguments: Sequence[object]) -> bool:
    """Whether an audit event "open" (path, mode, flags) opens a file to write."""
    _, mode, flags = arguments
    asked = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    return bool(asked) or (isinstance(mode, str) and any(letter in mode for letter in "wax+"))
