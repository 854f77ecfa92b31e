"""Checkpoints of a stream of edits: a job that is killed goes on behind the last of them.

A checkpoint is a folder named after the number of edits made, inside the job's folder of checkpoints. Inside a
call that learns many edits at once, the name also says how many edits' worth of it were done.

    progress.json        how far the stream is, what each edit cost, and the job that the checkpoint belongs to
    state.safetensors    the editor's memory, and which texts' states were computed together
    rows.parquet         the transcript so far
    SHA256SUMS           digests of the other files

It is written beside its place, forced to the disk, and renamed; only then the one before it is removed.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from wise.errors import DataError
from wise.evaluate.transcript import write_transcript
from wise.files import read_json, sha256, write_json, write_text
from wise.lm.tensor_file import read_tensors
from wise.parquet import read_table

LOG = logging.getLogger(__name__)

LONGEST = 300.0
"""Seconds behind a checkpoint after which the next edit is followed by one, however few edits there were."""

PROGRESS, STATE, ROWS, DIGESTS = "progress.json", "state.safetensors", "rows.parquet", "SHA256SUMS"


@dataclass(frozen=True)
class Progress:
    """How far a stream is: `done` edits over all its runs, with every question that was due until then.

    `part`: how many edits' worth of the next call is in the editor's state, and the `part_seconds` that it took.
    `held`: ids of the edits in the memory, in order. `state`: see `Editor.state`. `curve`, `rows`, `probe_seconds` and
    `started`: see `wise.evaluate.stream.Stream`.
    """

    done: int
    held: Sequence[str]
    state: Mapping[str, Tensor]
    curve: Sequence[Mapping[str, Any]]
    rows: Sequence[Mapping[str, Any]]
    probe_seconds: float
    started: str
    part: float = 0.0
    part_seconds: float = 0.0


class Checkpoints:
    """The checkpoints of one job in `folder`, `every` so many edits, and sooner where edits are slow.

    `job` is everything that the job's results depend on, as JSON: one that was made by another job is not used.
    """

    def __init__(self, folder: str | Path, every: int, job: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.every = every
        self.job = json.loads(json.dumps(job))  # as it is read back
        self._last = time.monotonic()

    def due(self, edits: float) -> bool:
        """Whether to write one, `edits` behind the last: after `every`, or after `LONGEST` seconds."""
        return edits >= self.every or (edits > 0 and time.monotonic() - self._last >= LONGEST)

    def write(self, progress: Progress) -> None:
        """Write a checkpoint and remove those before it; `DataError` naming the folder where that fails.

        The one before is then still there.
        """
        place = self.folder / (f"{progress.done:08d}" + (f"-{progress.part:012.3f}" if progress.part else ""))
        with writing(place):
            self.folder.mkdir(parents=True, exist_ok=True)
            for abandoned in self.folder.glob(".new-*"):
                shutil.rmtree(abandoned)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new-") as name:
                new = Path(name) / place.name
                new.mkdir()
                _write(new, progress, self.job)
                if place.exists():  # damaged, or of another job
                    shutil.rmtree(place)
                os.rename(new, place)
            _sync(self.folder)
            for other in self._places():
                if other != place:
                    shutil.rmtree(other)
        self._last = time.monotonic()

    def latest(self, device: torch.device | str = "cpu") -> Progress | None:
        """The last checkpoint that is whole and of this job, its tensors on `device`; a warning for each other one."""
        for place in self._places():
            try:
                made_by, progress = _read(place, device)
            except (DataError, OSError) as error:
                LOG.warning("checkpoint %s is damaged and not used: %s", place, error)
                continue
            differing = sorted(key for key in self.job | made_by if self.job.get(key) != made_by.get(key))
            if not differing:
                return progress
            named = ", ".join(f"{key} {made_by.get(key)!r}, now {self.job.get(key)!r}" for key in differing)
            LOG.warning("checkpoint %s is of another job and not used: %s", place, named)
        return None

    def remove(self) -> None:
        """Remove the whole folder, when the job's results are written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _places(self) -> list[Path]:
        """Folders of checkpoints, the last one first."""
        return sorted((path for path in self.folder.glob("[0-9]*") if path.is_dir()), reverse=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of writing to the disk, such as a full one, into a `DataError` that names `path`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be written ({error})") from error


def _write(folder: Path, progress: Progress, job: Mapping[str, Any]) -> None:
    """The files of one checkpoint, on the disk when this returns."""
    orders = {name: _order(tensor) for name, tensor in progress.state.items()}
    stored = {
        name: tensor.permute(orders[name]).to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in progress.state.items()
    }
    save_file(stored, folder / STATE)
    write_transcript(folder / ROWS, progress.rows)
    described = {
        "job": job,
        "done": progress.done,
        "held": list(progress.held),
        "curve": list(progress.curve),
        "probe_seconds": progress.probe_seconds,
        "started": progress.started,
        "part": progress.part,
        "part_seconds": progress.part_seconds,
        "orders": {name: order for name, order in orders.items() if order != sorted(order)},
    }
    write_json(folder / PROGRESS, described)
    write_text(folder / DIGESTS, "".join(f"{sha256(folder / name)}  {name}\n" for name in (PROGRESS, STATE, ROWS)))
    for name in (PROGRESS, STATE, ROWS, DIGESTS):
        _sync(folder / name)
    _sync(folder)


def _read(folder: Path, device: torch.device | str) -> tuple[dict[str, Any], Progress]:
    """A checkpoint and the job that it belongs to; `DataError` or `OSError` where it is not whole."""
    lines = (folder / DIGESTS).read_text(encoding="utf-8", errors="replace").splitlines()
    for name in (PROGRESS, STATE, ROWS):
        if f"{sha256(folder / name)}  {name}" not in lines:
            raise DataError(f"{name} is not what {DIGESTS} says")
    described = read_json(folder / PROGRESS)
    state = {}
    for name, tensor in read_tensors(folder / STATE).items():
        order = described["orders"].get(name, range(tensor.dim()))
        back = sorted(range(tensor.dim()), key=list(order).index)
        state[name] = tensor.clone().permute(back).to(device)  # a clone is aligned, which sums depend on
    rows = read_table(folder / ROWS).to_pylist()
    done, held, curve = described["done"], described["held"], described["curve"]
    rest = (described[name] for name in ("probe_seconds", "started", "part", "part_seconds"))
    return described["job"], Progress(done, held, state, curve, rows, *rest)


def _order(tensor: Tensor) -> list[int]:
    """Dimensions from the outermost in memory to the innermost: products of a transposed matrix round differently."""
    return sorted(range(tensor.dim()), key=lambda dimension: -tensor.stride(dimension))


def _sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
