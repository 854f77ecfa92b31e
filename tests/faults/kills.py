"""Killed: jobs at each of their changes to the disk and at each phase of an edit, the whole workflow at any moment."""

from __future__ import annotations

import importlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial

from tests.faults.jobs import Job, Strike, carry_out, changes, die
from tests.faults.lab import Lab, Tally, begin, kill, processes_below, resume, say
from tests.workflow.conftest import Workspace

STRUCK = (
    ("stream", "wise-retrieve", 24),
    ("stream", "mend", 8),
    ("data", "factworld", 8),
    ("pretrain", "", 8),
    ("contexts", "", 5),
    ("preedit", "", 5),
    ("prepare", "", 5),
    ("score", "grace", 5),
    ("main_table", "", 6),
)
"""Jobs that are killed, by their verb and a text of their command, and at how many of their changes at most."""

PHASES = {
    "loading the model": "wise.commands.stream:load_model",
    "making the editor": "wise.commands.stream:make_editor",
    "preparing the editor": "wise.editors.wise.editor:Wise.prepare",
    "in the middle of an edit": "wise.editors.wise.whitening:WhitenedMemory.update",
    "asking after an edit": "wise.evaluate.stream:ask",
    "writing a checkpoint's tensors": "wise.evaluate.checkpoint:save_file",
    "writing a checkpoint's rows": "wise.evaluate.checkpoint:write_transcript",
    "forcing a checkpoint to the disk": "wise.evaluate.checkpoint:_sync",
    "writing the memory": "wise.memory.store:save_file",
    "writing the transcript": "wise.commands.stream:write_transcript",
    "removing the checkpoints": "wise.evaluate.checkpoint:Checkpoints.remove",
}
"""Phases of an edit job, by the function that is called in each."""


PATIENCE = 300
"""Seconds in which Snakemake has to end after a kill below it."""


def at_each_change(lab: Lab, most: int) -> Iterator[Tally]:
    """SIGKILL at each change to the disk; the same command again has to end with the same bits."""
    for verb, holding, own in STRUCK:
        job = lab.job(verb, holding)
        tally = Tally("SIGKILL at each change to the disk", f"{verb} {holding}".strip())
        for at in spread(count(lab, job), min(own, most)):
            with lab.before(job) as workspace:
                struck = carry_out(job, workspace.folder, at, die)
                if struck.status != -signal.SIGKILL:
                    tally.count(f"change {at}: was not killed ({struck.status})")
                    continue
                tally.count(again(lab, job, workspace, f"change {at}"))
        yield tally


def at_each_phase(lab: Lab) -> Iterator[Tally]:
    """SIGKILL of an edit job when it enters each phase, the first time and the second."""
    job = lab.job("stream", "wise-retrieve")
    tally = Tally("SIGKILL at each phase of an edit job", f"{len(PHASES)} phases, the first call and the second")
    for phase, place in PHASES.items():
        for call in (1, 2):
            with lab.before(job) as workspace:
                struck = carry_out(job, workspace.folder, started=partial(strike_call, place, call, die))
                if struck.status != -signal.SIGKILL and call == 1:
                    tally.count(f"{phase}: was not reached ({struck.status}: {struck.said[-300:]})")
                elif struck.status == -signal.SIGKILL:
                    tally.count(again(lab, job, workspace, f"{phase}, call {call}"))
    yield tally


def at_random(lab: Lab, kills: int, minutes: float) -> Iterator[Tally]:
    """SIGKILL of everything, of Snakemake alone, or of one process below it, at random moments; then go on.

    One run is killed again and again until it ends before the next moment, and then another one begins. After so many
    minutes there are no more kills, however few there were.
    """
    victims: dict[str, Callable[[int], None]] = {
        "all processes": kill_all,
        "Snakemake alone": kill,
        "one process below it": partial(_kill_one, lab),
    }
    tallies = {name: Tally("SIGKILL of the workflow at random moments", name) for name in victims}
    started = time.monotonic()
    with lab.copied(results=False) as workspace:
        resume(workspace)
    whole, done = time.monotonic() - started, 0

    def more() -> bool:
        return done < kills and time.monotonic() - started < 60 * minutes

    while more():
        with lab.copied(results=False) as workspace:
            struck = []
            while more():
                name = lab.random.choice([*victims])
                process = begin(workspace)
                moment = lab.random.uniform(0, whole / 2)  # later ones come behind a kill, as the run goes on
                if _ended(process, moment):
                    break
                victims[name](process.pid)
                _ended(process, PATIENCE)
                struck.append(f"{name} after {moment:.1f} s")
                done += 1
                say(f"kill {done} of {kills}: {struck[-1]}")
                resume_needed = process.poll()
                if resume_needed is None:
                    tallies[name].count(f"{struck[-1]}: Snakemake neither ended nor went on")
                    kill_all(process.pid)
                _unlock(workspace)
            end = resume(workspace)
            fault = lab.differs(workspace.results) or (f"status {end.status}" if end.status else None)
            for text in struck:
                name = text.split(" after ")[0]
                tallies[name].count(f"{'; '.join(struck)}: {fault}; {end.said[-600:]}" if fault else None)
    yield from tallies.values()


def count(lab: Lab, job: Job) -> int:
    """How often an undisturbed job changes the disk."""
    with lab.before(job) as workspace:
        return changes(job, workspace.folder)


def spread(count: int, most: int) -> list[int]:
    """Numbers from 1 to `count`, at most so many of them, evenly spread, the first and the last among them."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(index * (count - 1) / (most - 1)) for index in range(most)})


def again(lab: Lab, job: Job, workspace: Workspace, where: str) -> str | None:
    """What is wrong when the same command is given once more; None where it ends with what was promised."""
    end = carry_out(job, workspace.folder)
    if end.status:
        return f"{where}: the next attempt failed: {end.said[-600:]}"
    fault = lab.differs(workspace.results)
    return f"{where}: {fault}" if fault else None


def strike_call(place: str, call: int, strike: Strike) -> None:
    """In a child: `strike` in the middle of the `call`-th call of a function, behind what it did."""
    module, _, dotted = place.partition(":")
    owner = importlib.import_module(module)
    *path, name = dotted.split(".")
    for part in path:
        owner = getattr(owner, part)
    struck, seen = getattr(owner, name), [0]

    def wrapped(*arguments, **options):
        made = struck(*arguments, **options)
        seen[0] += 1
        if seen[0] == call:
            strike()
        return made

    setattr(owner, name, wrapped)


def _ended(process, seconds: float) -> bool:
    """Whether a process ended within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            return True
        time.sleep(0.02)  # noqa: TID251 - a moment is what is tried here
    return False


def kill_all(pid: int) -> None:
    """End a process and all that it has started."""
    below = processes_below(pid)
    for one in (pid, *below):
        kill(one)


def _kill_one(lab: Lab, pid: int) -> None:
    below = processes_below(pid)
    if below:
        kill(lab.random.choice(below))
    else:
        kill(pid)


def _unlock(workspace: Workspace) -> None:
    for lock in (workspace.folder / ".snakemake/locks").glob("*"):
        os.remove(lock)
