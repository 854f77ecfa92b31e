"""Checkpoints: a job that was killed at any moment ends with the bits of one that was not."""

from __future__ import annotations

import errno
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS
from wise.cli import main
from wise.errors import DataError
from wise.evaluate import checkpoint
from wise.evaluate.checkpoint import Checkpoints, Progress
from wise.files import read_json, write_json
from wise.lm.architectures import find_site
from wise.lm.batch import Encoded
from wise.records import EditRecord, Probe, write_records
from wise.tail.tail import Tail

TIMES = ("started", "finished", "hardware")
EVERY = 3
LLAMA = "transformers.models.llama.modeling_llama"


def record(index: int) -> EditRecord:
    name, place = "Ada Bo Cy Dee Eli Fay Gus Hal".split()[index % 8], "North South East West".split()[index % 4]
    prompt = f"{name} {'was born in' if index < 8 else 'lives in'}"
    probes = (Probe("paraphrase", f"the person {prompt}", place), Probe("locality_far", "a city of", "Hill"))
    return EditRecord(f"edit-{index}", prompt, place, name, f"the city {place} of", probes)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A folder with a model, a stream of edits and the unedited model's answers."""
    lm, folder = tiny_language_model(), tmp_path_factory.mktemp("job")
    lm.model.save_pretrained(folder / "model")
    lm.tokenizer.save_pretrained(folder / "model")
    write_records(folder / "edits.jsonl", [record(index) for index in range(12)])
    write_json(folder / "contexts.json", {"contexts": list(CONTEXTS)})
    asked = ["--records", str(folder / "edits.jsonl"), "--edits", "12", "--out", str(folder / "before.parquet")]
    assert main(["preedit", "--model", str(folder / "model"), *asked]) == 0
    return folder


def arguments(job: Path, out: Path, options: dict | None = None, editor: str = "wise-retrieve") -> list[str]:
    files = {"model": "model", "records": "edits.jsonl", "train": "edits.jsonl", "contexts": "contexts.json"}
    inputs = [
        part for name, file in (files | {"preedit": "before.parquet"}).items() for part in (f"--{name}", job / file)
    ]
    what = ["--editor", editor, "--options", json.dumps({"steps": 20} | (options or {})), "--layer", "2"]
    stream = [
        "--edits",
        "12",
        "--grid",
        '{"1": 3, "5": 1, "12": 1}',
        "--dataset",
        "d",
        "--model-name",
        "m",
        "--generate",
    ]
    safety = ["--checkpoint", out / "checkpoints", "--checkpoint-every", str(EVERY), "--out", out]
    return [str(part) for part in ("stream", *inputs, *what, *stream, *safety)]


def results(out: Path) -> dict:
    """Everything that a job wrote, without what took how long."""
    run = {key: value for key, value in read_json(out / "run.json").items() if key not in TIMES}
    run["cost"] = {key: value for key, value in run["cost"].items() if not ("seconds" in key or "peak" in key)}
    run["curve"] = [entry | {"seconds": 0} for entry in run["curve"]]
    files = sorted(file for file in (out / "memory").iterdir())
    rows = pq.read_table(out / "transcript.parquet").to_pylist()
    return {"run": run, "rows": rows, "memory": {file.name: file.read_bytes() for file in files}}


@pytest.fixture(scope="module")
def undisturbed(job, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    assert main(arguments(job, out)) == 0
    return results(out)


def kill_when(process, reached) -> None:
    """SIGKILL as soon as something is there."""
    end = time.monotonic() + 600  # only so that nothing waits for ever
    alive = process.is_alive if hasattr(process, "is_alive") else lambda: process.poll() is None
    while not reached():
        assert alive() and time.monotonic() < end, "the job ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    (process.join if hasattr(process, "join") else process.wait)()


def last(out: Path) -> int:
    """Edits in the last checkpoint."""
    return max((int(place.name) for place in out.glob("checkpoints/[0-9]*")), default=0)


def test_a_checkpoint_is_due_after_so_many_edits_or_so_long(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    checkpoints = Checkpoints(tmp_path, 50, {})
    assert [checkpoints.due(edits) for edits in (0, 1, 49, 50)] == [False, False, False, True]
    now[0] += checkpoint.LONGEST
    assert [checkpoints.due(edits) for edits in (0, 1)] == [False, True]


@pytest.mark.subprocess
def test_a_killed_command_that_is_started_again_ends_with_the_same_bits(job, undisturbed, tmp_path, caplog):
    process = subprocess.Popen([sys.executable, "-m", "wise", *arguments(job, tmp_path)], stderr=subprocess.DEVNULL)
    kill_when(process, lambda: last(tmp_path) >= 6)
    kept = last(tmp_path)
    with caplog.at_level(logging.INFO):
        assert main(arguments(job, tmp_path)) == 0
    assert int(caplog.text.partition("resuming after edit ")[2].split()[0]) == kept
    assert results(tmp_path) == undisturbed
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.subprocess
def test_killed_while_it_learns_and_while_it_writes(job, undisturbed, tmp_path):
    """The processes are forked from one that has imported everything, so that each starts at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["wise.commands.stream", "wise.editors.wise.editor", LLAMA, "torch._dynamo"])
    folder = tmp_path / "checkpoints"
    points = (
        lambda: any(folder.glob(".new-*")),
        lambda: last(tmp_path) >= 6 and any(folder.glob(".new-*/*/rows.parquet")),
        lambda: (tmp_path / "memory").exists(),
    )
    reached = []
    for point in points:
        process = context.Process(target=main, args=(arguments(job, tmp_path),))
        process.start()
        kill_when(process, point)
        reached.append(last(tmp_path))
    assert reached == sorted(reached) and reached[-1] == 12
    assert main(arguments(job, tmp_path)) == 0
    assert results(tmp_path) == undisturbed


@pytest.fixture
def interrupted(job, tmp_path, monkeypatch):
    """A job that ended in its last edits, with a checkpoint behind edit 9 of 14."""
    write = Checkpoints.write

    def remember(self, made):
        write(self, made)
        if made.done >= 9:
            raise OSError("the machine went down")

    monkeypatch.setattr(Checkpoints, "write", remember)
    assert main(arguments(job, tmp_path)) == 2
    monkeypatch.undo()
    assert [place.name for place in (tmp_path / "checkpoints").iterdir()] == ["00000009"]
    return tmp_path


def test_it_goes_on_from_the_last_checkpoint(job, interrupted, undisturbed, caplog):
    with caplog.at_level(logging.INFO):
        assert main(arguments(job, interrupted)) == 0
    assert "resuming after edit 9" in caplog.text
    assert results(interrupted) == undisturbed


def test_a_checkpoint_of_other_options_is_not_used(job, interrupted, caplog):
    assert main(arguments(job, interrupted, {"steps": 19})) == 0
    assert "option steps 20, now 19" in caplog.text and "resuming" not in caplog.text
    assert results(interrupted)["run"]["options"]["steps"] == 19


@pytest.mark.parametrize("name", ["state.safetensors", "rows.parquet", "progress.json", "SHA256SUMS"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: data[:-9] + b"x" + data[-8:]])
def test_a_damaged_checkpoint_is_not_used(name, damage, tmp_path, caplog):
    checkpoints = Checkpoints(tmp_path, 1, {"editor": "one"})
    checkpoints.write(progress(4))
    assert checkpoints.latest().done == 4
    path = tmp_path / "00000004" / name
    path.write_bytes(damage(path.read_bytes()))
    assert checkpoints.latest() is None
    assert "00000004 is damaged" in caplog.text
    checkpoints.write(progress(4))
    assert checkpoints.latest().done == 4


def progress(done: int, **state: torch.Tensor) -> Progress:
    return Progress(
        done, ["edit-0"], state or {"weight": torch.arange(6.0).reshape(2, 3)}, [{"edit": 0}], [], 0.5, "then"
    )


def test_tensors_come_back_as_they_lay_in_memory(tmp_path):
    weight = torch.randn(3, 5)
    state = {"rows": weight, "columns": weight.T, "number": torch.tensor(7), "none": torch.empty(0, 4)}
    checkpoints = Checkpoints(tmp_path / "some" / "where", 1, {})
    checkpoints.write(progress(1, **state))
    read = checkpoints.latest().state
    for name, tensor in state.items():
        assert torch.equal(read[name], tensor) and read[name].stride() == tensor.stride()


@pytest.mark.parametrize("part", ["save_file", "write_transcript", "write_json", "_sync"])
def test_a_full_disk_is_named_and_leaves_the_checkpoint_before(part, tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, 1, {})
    checkpoints.write(progress(1))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, part, full)
    with pytest.raises(DataError, match=r"00000002: cannot be written .*No space left on device"):
        checkpoints.write(progress(2))
    monkeypatch.undo()
    assert [place.name for place in tmp_path.iterdir()] == ["00000001"]
    assert checkpoints.latest().done == 1


def test_a_full_disk_at_the_end_leaves_the_checkpoint(job, undisturbed, tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("wise.commands.stream.write_transcript", full)
    assert main(arguments(job, tmp_path)) == 2
    assert f"{tmp_path}: cannot be written" in caplog.text and "No space left on device" in caplog.text
    assert last(tmp_path) == 12
    monkeypatch.undo()
    assert main(arguments(job, tmp_path)) == 0
    assert results(tmp_path) == undisturbed


def test_states_of_texts_are_computed_again_in_the_batches_of_before():
    lm = tiny_language_model()
    texts = [Encoded((2, *range(4, 4 + size)), 2) for size in (3, 4, 5, 6)]
    batches: list[list[list[int]]] = []
    lm.model.base_model.register_forward_pre_hook(
        lambda _module, _args, given: batches.append(given["input_ids"].tolist()), with_kwargs=True
    )
    tail = Tail(lm, find_site(lm.model, 2))
    assert tail.groups()["groups"].numel() == 0
    tail.frozen(texts[:3])
    tail.frozen(texts[2:])
    made, batches[:] = list(batches), []
    other = Tail(lm, tail.site)
    other.regroup(tail.groups())
    for text in texts[::-1]:
        assert torch.equal(other.frozen([text]).hidden[0], tail.frozen([text]).hidden[0])
    assert sorted(batches) == sorted(made) and len(made) == 2
    fresh = Tail(lm, tail.site)
    fresh.regroup(Tail(lm, tail.site).groups())
    assert torch.equal(fresh.frozen(texts[:3]).hidden, tail.frozen(texts[:3]).hidden)
