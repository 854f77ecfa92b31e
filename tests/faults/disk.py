"""The disk: full at each write, not writable, and files that were truncated or changed since they were written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.faults.jobs import Job, carry_out, die
from tests.faults.kills import STRUCK, again, count, spread
from tests.faults.lab import RESULTS, Lab, Tally, snakemake
from tests.workflow.conftest import Workspace

SIZE = "64m"

KINDS = {
    "edits": "data/factworld-qa/edits.jsonl",
    "training records": "data/factworld-qa/train.jsonl",
    "corpus": "data/factworld/corpus.jsonl",
    "weights of a model": "models/tiny/model.safetensors",
    "configuration of a model": "models/tiny/config.json",
    "tokenizer": "models/tiny/tokenizer.json",
    "contexts": "contexts/tiny.json",
    "answers before any edit": "preedit/factworld-qa/tiny/*.parquet",
    "prepared artifact": "prepared/factworld-qa/tiny/mend.safetensors",
    "transcript": "edit/factworld-qa/tiny/grace/seed0/transcript.parquet",
    "run record": "edit/factworld-qa/tiny/grace/seed0/run.json",
    "scores": "scores/factworld-qa/tiny/grace/seed0.parquet",
}
"""Every kind of file that the workflow reads back, by where one lies among the results."""

CHECKPOINTS = ("progress.json", "state.safetensors", "rows.parquet", "SHA256SUMS")
MEMORY = ("config.json", "memory.safetensors", "edits.jsonl")


@contextmanager
def tmpfs(place: Path, size: str = SIZE) -> Iterator[Path]:
    """A file system of its own, in memory; raises `PermissionError` for a user who may not mount one."""
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "faults", place], capture_output=True)
    if made.returncode:
        place.rmdir()
        raise PermissionError("only root may mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


def full(lab: Lab, most: int) -> Iterator[Tally]:
    """The disk is full from each change on: a message, and with space again the same results."""
    for verb, holding, own in STRUCK:
        job = lab.job(verb, holding)
        tally = Tally("disk full from each change on", f"{verb} {holding}".strip())
        changes = spread(count(lab, job), min(own, most))
        with tmpfs(lab.root / "small") as place:
            for at in changes:
                with lab.before(job, place) as workspace:
                    tally.count(*_when_full(lab, job, workspace, place / "ballast", at))
        yield tally


def _when_full(lab: Lab, job: Job, workspace: Workspace, ballast: Path, at: int) -> tuple[str | None, bool]:
    """What is wrong with how a job ended on a full disk and, with space again, in its next attempt; whether it told."""
    end = carry_out(job, workspace.folder, at, partial(fill, ballast))
    ballast.unlink(missing_ok=True)
    if end.status == 0:
        return lab.differs(workspace.results), False
    if not end.is_clear:
        return f"change {at}: {end.said[-600:]}", True
    return again(lab, job, workspace, f"change {at}"), True


def fill(ballast: Path) -> None:
    """Take all the space that is left."""
    if not ballast.exists():
        with ballast.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, shutil.disk_usage(ballast.parent).free)


def read_only(lab: Lab) -> Iterator[Tally]:
    """Results that may not be written, for each job and for the whole workflow."""
    tally = Tally("results not writable", "each job, and the workflow")
    with lab.copied() as workspace:
        with _not_writable(workspace.results):
            for verb, holding, _ in STRUCK:
                end = carry_out(lab.job(verb, holding), workspace.folder)
                tally.count(None if end.is_clear else f"{verb}: {end.status} {end.said[-600:]}", told=True)
            end = snakemake(workspace, "--forceall")
            tally.count(None if end.is_clear else f"workflow: {end.status} {end.said[-600:]}", told=True)
        end = snakemake(workspace)
        tally.count(lab.differs(workspace.results) or (end.said[-600:] if end.status else None))
    yield tally


@contextmanager
def _not_writable(folder: Path) -> Iterator[None]:
    """A folder that not even root can write to; raises `PermissionError` for a user who may not mount."""
    if subprocess.run(["mount", "--bind", folder, folder], capture_output=True).returncode:
        raise PermissionError("only root may mount a folder such that it cannot be written")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def damaged(lab: Lab, flips: int) -> Iterator[Tally]:
    """Two kinds of jobs that read a damaged file refuse it by its name, or make what they should."""
    for kind, pattern in KINDS.items():
        tally = Tally("file truncated or a bit flipped", kind)
        path = next(lab.kept.glob(pattern)).relative_to(lab.kept).as_posix()
        readers = [job for job in lab.jobs if job.reads(f"{RESULTS}/{path}")]
        for job in _one_of_each(readers)[:2]:
            for text, damage in damages(lab, flips):
                with lab.before(job) as workspace:
                    damage(workspace.results / path)
                    tally.count(*_read(lab, job, workspace, path, text))
        yield tally


def damaged_checkpoint(lab: Lab, flips: int) -> Iterator[Tally]:
    """A job that goes on from a checkpoint with a damaged file: it starts anew and ends with the same results."""
    job = lab.job("stream", "wise-retrieve")
    at = count(lab, job) * 2 // 3
    with lab.before(job) as workspace:
        carry_out(job, workspace.folder, at, die)
        kept = lab.root / "checkpoints"
        shutil.copytree(workspace.results / "checkpoints", kept)
    for name in CHECKPOINTS:
        tally = Tally("file truncated or a bit flipped", f"checkpoint: {name}")
        for text, damage in damages(lab, flips):
            with lab.before(job) as workspace:
                shutil.copytree(kept, workspace.results / "checkpoints", dirs_exist_ok=True)
                found = [path for path in (workspace.results / "checkpoints").rglob(name) if "/.new-" not in str(path)]
                if not found:
                    tally.count("no checkpoint was left by the kill")
                    continue
                damage(found[0])
                tally.count(again(lab, job, workspace, text))
        yield tally


def damaged_memory(lab: Lab, flips: int) -> Iterator[Tally]:
    """A saved memory with a damaged file is refused by `wise ask`."""
    memory = f"{RESULTS}/edit/factworld-qa/tiny/grace/seed0/memory"
    job = Job("wise.cli", ("ask", "--memory", memory, "--model", f"{RESULTS}/models/tiny", "--json", "Who is the"))
    with lab.copied() as workspace:
        plain = carry_out(job, workspace.folder)
        if plain.status:
            raise RuntimeError(f"a whole memory was not read: {plain.said[-2000:]}")
    for name in MEMORY:
        tally = Tally("file truncated or a bit flipped", f"memory: {name}")
        for text, damage in damages(lab, flips):
            with lab.copied() as workspace:
                damage(workspace.folder / memory / name)
                end = carry_out(job, workspace.folder)
                same = end.status == 0 and end.said == plain.said
                named = end.is_clear and name in end.said
                tally.count(None if same or named else f"{text}: {end.status} {end.said[-500:]}", told=not same)
        yield tally


def _read(lab: Lab, job: Job, workspace: Workspace, path: str, text: str) -> tuple[str | None, bool]:
    end = carry_out(job, workspace.folder)
    if end.is_clear and path.rpartition("/")[2] in end.said:
        return None, True
    made = [output.removeprefix(f"{RESULTS}/") for output in job.outputs]
    fault = f"status {end.status}: {end.said[-500:]}" if end.status else lab.differs(workspace.results, *made)
    return (f"{job.name} on {path}, {text}: {fault}" if fault else None), False


def _one_of_each(jobs: list[Job]) -> list[Job]:
    """One job of each verb, and one artifact."""
    kinds = {job.name if job.module == "wise.cli" else job.module: job for job in reversed(jobs)}
    return list(kinds.values())


def damages(lab: Lab, flips: int):
    """What is done to a file: cut in half, emptied, and single bits flipped at random places."""
    yield "cut in half", partial(_cut, share=0.5)
    yield "cut by its last byte", partial(_cut, share=1.0)
    yield "emptied", partial(_cut, share=0.0)
    for _ in range(flips):
        share, bit = lab.random.random(), lab.random.randrange(8)
        yield f"bit {bit} flipped at {share:.3f} of its length", partial(_flip, share=share, bit=bit)


def _cut(path: Path, share: float) -> None:
    kept = path.read_bytes()
    path.write_bytes(kept[: min(int(len(kept) * share), len(kept) - 1)])


def _flip(path: Path, share: float, bit: int) -> None:
    kept = bytearray(path.read_bytes())
    kept[int(share * (len(kept) - 1))] ^= 1 << bit
    path.write_bytes(kept)
