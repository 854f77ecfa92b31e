"""The machine: a clock that was set back, two workflows on one folder, and too little memory."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial

from tests.faults.jobs import carry_out, limit_memory
from tests.faults.kills import STRUCK, again, kill_all
from tests.faults.lab import Lab, Tally, begin, resume, snakemake
from tests.workflow.conftest import Workspace

STEPS = (8, 24, 64)
"""MiB that a job may take beyond what it has when it starts."""


def clock_set_back(lab: Lab) -> Iterator[Tally]:
    """Half of a run a day ahead of the rest, and two files that are made anew behind it."""
    tally = Tally("clock set back", "by a day: in the middle of a run, and behind it")
    if shutil.which("faketime") is None:
        tally.skipped = "faketime is not installed"
        yield tally
        return
    back = ("faketime", "-f", "-1d")
    with lab.copied(results=False) as workspace:
        snakemake(workspace, "--until", "preedit")
        tally.count(*_with_clock(lab, workspace, back))
    with lab.copied() as workspace:
        for made in ("scores/factworld-qa/tiny/grace/seed0.parquet", "tables/main.csv"):
            (workspace.results / made).unlink()
        tally.count(*_with_clock(lab, workspace, back))
    yield tally


def _with_clock(lab: Lab, workspace: Workspace, back: tuple[str, ...]) -> tuple[str | None, bool]:
    """What is wrong with a run behind other commands, and whether it stopped with a word about its clock.

    The same command with the right clock then has to end with the same results.
    """
    end = snakemake(workspace, before=back)
    told = end.is_clear and "clock" in end.said
    if end.status and not told:
        return end.said[-600:], False
    if told:
        end = snakemake(workspace)
    return lab.differs(workspace.results) or (end.said[-600:] if end.status else None), told


def two_at_once(lab: Lab) -> Iterator[Tally]:
    """A second workflow on the folder of one that runs: refused; and, where its lock is ignored, the same results."""
    tally = Tally("two workflows on one folder", "the second is started while the first runs")
    for wait in (3.0, 9.0):
        with lab.copied(results=False) as workspace:
            process = begin(workspace)
            time.sleep(wait)  # noqa: TID251 - a moment is what is tried here
            if process.poll() is None:
                end = snakemake(workspace)
                tally.count(None if "lock" in end.said.lower() and end.is_clear else end.said[-600:], told=True)
            process.wait(300)
            tally.count(lab.differs(workspace.results))
    yield tally
    tally = Tally("two workflows on one folder", "the second ignores the lock (--nolock)")
    for wait in (3.0, 9.0):
        with lab.copied(results=False) as workspace:
            process = begin(workspace)
            time.sleep(wait)  # noqa: TID251 - a moment is what is tried here
            end = snakemake(workspace, "--nolock")
            try:
                process.wait(300)
            except Exception:
                kill_all(process.pid)
                raise
            last = resume(workspace)
            fault = lab.differs(workspace.results) or (last.said[-600:] if last.status else None)
            tally.count(fault, told=end.status != 0)
    yield tally


def little_memory(lab: Lab) -> Iterator[Tally]:
    """Jobs that may take only some memory (`ulimit -v`): the same results, or a message.

    Where a library in another language ends the process itself, nobody but Snakemake can say so. Either way the next
    attempt, with enough, has to end with the same results.
    """
    for verb, holding, _ in STRUCK:
        job = lab.job(verb, holding)
        tally = Tally("memory limited", f"{verb} {holding}".strip())
        for step in STEPS:
            with lab.before(job) as workspace:
                end = carry_out(job, workspace.folder, started=partial(limit_memory, step * 2**20))
                if end.status == 0:
                    tally.count(lab.differs(workspace.results))
                elif end.is_clear or -end.status in (signal.SIGABRT, signal.SIGSEGV):
                    tally.count(again(lab, job, workspace, f"{step} MiB"), told=True)
                else:
                    tally.count(f"{step} MiB: status {end.status} {end.said[-700:]}")
        yield tally
