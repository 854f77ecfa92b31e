"""Every editor on a second device: no tensor is left behind on the CPU, and nothing is answered differently."""

from __future__ import annotations

import copy
import json
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from tests.accelerator import CPU, accelerator
from tests.closeness import assert_same_to_rounding
from tests.contract.test_editors import BLOCKS
from tests.models import tiny_language_model
from tests.thorough import some
from tests.tiny_edits import CONTEXTS, OTHERS, QUICK, STREAM
from wise.cli import main
from wise.editors.registry import EDITORS, editor_class, make_editor
from wise.evaluate.ask import ask, preedit_rows, questions_of
from wise.evaluate.checkpoint import Checkpoints, Progress
from wise.evaluate.grid import plan_runs
from wise.evaluate.stream import Stream
from wise.files import read_json
from wise.lm.load import LanguageModel, wrap
from wise.memory.routing_report import inventory, routes
from wise.memory.store import load_into, save
from wise.pretraining import pretrain as pretraining
from wise.pretraining import trainer
from wise.pretraining.checkpoint import write_checkpoint
from wise.pretraining.knowledge import Question, knowledge_report
from wise.pretraining.packing import CorpusText
from wise.pretraining.pretrain import PretrainOptions, pretrain
from wise.records import EditRecord, Probe, write_records

SHORT = {"steps": 12, "epochs": 4, "iterations": 12, "scope_steps": 12}
"""Steps of every editor that has them: enough for the look at the loss that is taken every tenth step on a GPU, and for
the training of a network to go on behind its first pass over the records."""

FULL = {
    "grace": {"relative": True, "expand": "moving_average"},
    "retrieval": {"pooling": "mean"},
    "rome": {"covariance": True, "norm_anchor": True, "pilots": 2},
    "wise-merge": {"convention": "refined", "positions": "prompt", "threshold": "recorded", "merge": "dare_ties"},
    "wise-retrieve": {"convention": "refined", "group": 2, "replay": True},
}
"""Options that make an editor do most of what it can."""

CASES = {name: (name, QUICK.get(name, {}) | FULL.get(name, {})) for name in sorted(EDITORS)}
CASES["wise-retrieve, official"] = "wise-retrieve", BLOCKS
CASES["wise-retrieve, whitened"] = "wise-retrieve", {"capacity": 1}
CASES["wise-merge, whitened"] = "wise-merge", {"shards": 2}


def training(number: int, name: str, told: str) -> EditRecord:
    prompt, target = f"{name} {told}", "Port Hill"
    probes = Probe("paraphrase", f"the person {prompt}", target), Probe("locality_far", f"a city of {name}", "South")
    return EditRecord(f"train-{number}", prompt, target, name, OTHERS[number % len(OTHERS)], probes)


PEOPLE = product(("Dee", "Eli", "Fay", "Gus", "Hal"), ("was born in", "lives in"))
TRAIN = [training(number, *told) for number, told in enumerate(PEOPLE)]
"""As many as it takes for some to be held out."""


class Killed(Exception):
    """Ends a job behind its first checkpoint."""


class KilledAtFirst(Checkpoints):
    def write(self, progress: Progress) -> None:
        super().write(progress)
        raise Killed


def course(name: str, options: dict, device: torch.device, folder: Path) -> dict[str, Any]:
    """What an editor says in the course of two edits, cut short and gone on with, saved, loaded, and a third."""
    lm = tiny_language_model()
    lm.model.to(device)
    assert lm.device == device
    before = {(row["record"], row["probe"]): row for row in preedit_rows(lm, STREAM)}
    first = fresh(name, options, lm)
    first.prepare(TRAIN)
    with pytest.raises(Killed):
        stream(first, before, KilledAtFirst(folder / "checkpoints", 1, {}))
    first.rollback()

    second = fresh(name, options, lm)
    if first.prepared:
        second.use_artifact(first.prepared)
    second.prepare(TRAIN)
    found = {"resumed": stream(second, before, Checkpoints(folder / "checkpoints", 1, {}))}
    found["measured"] = second.measured(), second.memory_bytes(), second.extra_parameters()
    found["routes"] = routes(second, OTHERS), inventory(second)
    save(second, folder / "memory")
    second.rollback()
    found["rolled back"] = replies(second)

    third = fresh(name, options, lm)
    load_into(third, folder / "memory")
    found["loaded"] = replies(third), replies(third, oracle=True)
    third.edit(replace(STREAM[2], irrelevant=STREAM[2].subject))  # a text that is part of the prompt
    found["edited on"] = replies(third), {name: tensor.tolist() for name, tensor in third.state().items()}
    return found


def fresh(name: str, options: dict, lm: LanguageModel):
    known = {field.name for field in fields(editor_class(name).Config)}
    short = {option: value for option, value in SHORT.items() if option in known}
    return make_editor(name, lm, 2, options | short, CONTEXTS, 0)


def stream(editor, before, checkpoints: Checkpoints) -> tuple:
    """Two edits, then questions and free answers."""
    job = Stream(editor, STREAM, before, generate=True, checkpoints=checkpoints)
    job.carry_out(plan_runs({2: 1}, 2))
    return job.rows, [entry | {"seconds": 0} for entry in job.curve]


def replies(editor, oracle: bool = False) -> list:
    return ask(editor, questions_of(range(len(STREAM)), STREAM), oracle=oracle)


KEPT = ("alphaedit", "grace", "mend", "memoir", "retrieval", "wise-merge", "wise-retrieve, whitened")
"""One of each kind: a solved weight, a codebook, a network, a memory, a prompt, and merged and routed memories."""


@pytest.mark.parametrize("case", some(CASES, KEPT))
def test_an_editor_does_the_same_on_another_device(case, tmp_path):
    expected = course(*CASES[case], CPU, tmp_path / "cpu")
    with accelerator() as device:
        found = course(*CASES[case], device, tmp_path / "other")
    assert_same_to_rounding(found, expected)  # a memory that is loaded lies as in its file here, and is copied there


# What comes before and beside the edits


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A model and records in a folder."""
    lm, folder = tiny_language_model(), tmp_path_factory.mktemp("files")
    lm.model.save_pretrained(folder / "model")
    lm.tokenizer.save_pretrained(folder / "model")
    write_records(folder / "edits.jsonl", STREAM)
    return folder


def verbs(files: Path, out: Path, device: str) -> dict[str, Any]:
    """The verbs of the workflow one after the other, and what they wrote."""
    model = ["--model", str(files / "model"), "--device", device]
    contexts, before, artifact = out / "contexts.json", out / "before.parquet", out / "artifact.safetensors"
    records, train = ["--records", str(files / "edits.jsonl")], ["--train", str(files / "edits.jsonl")]
    call("contexts", *model, "--count", 3, "--length", 3, "--out", contexts)
    call("preedit", *model, *records, "--edits", 3, "--generate", "--out", before)
    editing = [*model, *train, "--contexts", contexts, "--layer", 2]
    memit = ["--editor", "memit", "--options", json.dumps(QUICK["memit"])]
    call("prepare", *editing, *memit, "--out", artifact)
    asked = ["--preedit", before, "--edits", 3, "--grid", '{"3": 1}', "--dataset", "three"]
    call("stream", *editing, *memit, *records, *asked, "--model-name", "tiny", "--artifact", artifact, "--out", out)
    measured = ["--editors", json.dumps({"grace": {"relative": True, "steps": 3}}), "--T", "[1]", "--seconds", 1]
    call("overhead", *editing, *records, *measured, "--out", out / "overhead.json")
    return {
        "contexts": read_json(contexts)["contexts"],
        "preedit": pq.read_table(before).to_pylist(),
        "artifact": {name: tensor.tolist() for name, tensor in load_file(artifact).items()},
        "transcript": pq.read_table(out / "transcript.parquet").to_pylist(),
        "overhead": [row["memory_bytes"] for row in read_json(out / "overhead.json")["rows"]],
    }


def call(*arguments: Any) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def test_the_verbs_write_the_same_on_another_device(files, tmp_path):
    expected = verbs(files, tmp_path / "cpu", "cpu")
    with accelerator():
        found = verbs(files, tmp_path / "other", "cuda")
    assert_same_to_rounding(found, expected)  # the model is mapped from its file here and copied there
    run, overhead = read_json(tmp_path / "other/run.json"), read_json(tmp_path / "other/overhead.json")
    assert run["hardware"]["device"] == overhead["hardware"]["device"] == "a pretended GPU"
    assert run["cost"]["peak_memory_bytes"] == overhead["rows"][0]["peak_memory_bytes"] == 2**31, "that of the GPU"


class OneThread:
    """In the place of a pool of threads, into which the pretended device does not reach."""

    def __init__(self, _workers: int) -> None:
        self.map = map


TINY = PretrainOptions(
    hidden=16, intermediate=32, layers=1, heads=2, context=16, length=16, epochs=3, curriculum_epochs=1, batch=4, part=2
)
CORPUS = [CorpusText(r.subject, f"{r.prompt} {r.target} .", ((len(r.prompt), len(r.prompt) + 10),)) for r in STREAM] * 3


def test_a_training_cut_short_goes_on_on_another_device(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "ThreadPoolExecutor", OneThread)
    monkeypatch.setattr(trainer, "training_dtype", lambda _device: torch.float32)  # as a GPU that is not there has it
    _, _, expected = pretrain(CORPUS, TINY, seed=0)
    with accelerator() as device:
        straight, tokenizer, report = pretrain(CORPUS, TINY, seed=0, device=device)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(pretraining, "write_checkpoint", write_and_die)
            pretrain(CORPUS, TINY, seed=0, device=device, checkpoint=tmp_path)
        resumed, _, again = pretrain(CORPUS, TINY, seed=0, device=device, checkpoint=tmp_path)
        assert straight.device == resumed.device == device and report.device == "cuda:0"
        knows = knowledge_report(wrap(resumed, tokenizer, "tiny"), QUESTIONS, 2)
    losses = [[entry["loss"] for entry in told.curve] for told in (expected, report, again)]
    assert losses[1] == losses[2] and losses[1] == pytest.approx(losses[0], rel=1e-3), "attention is another kernel"
    for name, weight in straight.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
    assert knows["overall"]["seen"]["questions"] == len(STREAM)


QUESTIONS = [Question("was born in", "seen", record.prompt, record.target) for record in STREAM]


def write_and_die(*given: Any) -> None:
    write_checkpoint(*given)
    raise Killed


@pytest.mark.parametrize("kind", ["edit", "probe"])
def test_a_benchmark_runs_on_another_device(kind, monkeypatch, capsys):
    monkeypatch.setattr("wise.benchmark.edit.matmul_rate", lambda *_: 1e12)
    sizes = ["--layers=2", "--hidden=32", "--intermediate=64", "--vocab=50", "--length=8", "--targets=2", "--repeats=1"]
    own = ["--rows=3", "--iterations=2", "--inference"] if kind == "edit" else ["--questions=3"]
    with accelerator():
        call("benchmark", kind, *sizes, *own, "--edit-layer=0", "--device=cuda", "--json")
    result = json.loads(capsys.readouterr().out)
    assert result["hardware"]["device"] == "a pretended GPU" and result["largest_deviation"] < 1e-5
    assert result["tail"]["peak_memory_bytes"] == 2**30


# What the pretended device refuses, as a GPU does


def here_and_there():
    """A tensor on the CPU and one on the pretended device."""
    here = torch.arange(6.0).view(2, 3)
    return here, here.to("cuda")


MIXED = {
    "sum": lambda here, there: here + there,
    "product": lambda here, there: there @ here.T,
    "cat": lambda here, there: torch.cat([here, there]),
    "mask": lambda here, there: there.masked_fill(here > 1, 0.0),
    "where": lambda here, there: torch.where(here > 1, there, there),
    "gather": lambda here, there: there.gather(0, torch.zeros(1, 3, dtype=torch.long)),
    "index of another device": lambda here, there: here[torch.zeros(1, dtype=torch.long, device="cuda")],
    "values of another device": lambda here, there: there.index_put_((torch.tensor([0]),), here[:1]),
    "a number that is written to": lambda here, there: torch.tensor(0.0).add_(there.sum()),
    "numbers side by side": lambda here, there: torch.stack([torch.tensor(1.0), there.sum()]),
    "layer": lambda here, there: torch.nn.Linear(3, 2).to("cuda")(here),
    "generator": lambda here, there: torch.rand(2, device="cuda", generator=torch.Generator()),
    "gradient": lambda here, there: backward_through_a_hook(there, here),
}


def backward_through_a_hook(there, here):
    there.requires_grad_(True).register_hook(lambda gradient: gradient * here)
    there.sum().backward()


@pytest.mark.parametrize("how", MIXED)
def test_a_mix_of_devices_is_refused(how):
    with accelerator(), pytest.raises(RuntimeError, match="same device|device type for generator"):
        MIXED[how](*here_and_there())


def test_no_array_is_made_of_what_is_on_the_device():
    with accelerator(), pytest.raises(TypeError, match="numpy"):
        here_and_there()[1].numpy()


def test_what_a_gpu_lets_pass_does():
    with accelerator() as device:
        here, there = here_and_there()
        assert here.device == CPU and there.device == device and there.is_cuda and not here.is_cuda
        results = [there * 2, there + torch.tensor(1.0), torch.tensor(1.0) - there, there[torch.tensor([1])], there[0]]
        results += [there[here > 1], torch.zeros_like(here, device=device), torch.tensor([1], device=device)]
        results += [there.new_tensor([1.0]), there.new_zeros(2), copy.deepcopy(there), torch.as_tensor(there)]
        assert {result.device for result in results} == {device}
        here[0] = there[0]
        there[1] = here[1]
        assert there.cpu().device == there.to(here).device == torch.full((2,), there.sum()).device == CPU
        assert torch.equal(there.cpu(), here) and there.cpu().data_ptr() != there.data_ptr(), "a copy"
        assert there.tolist() == here.tolist() and there.sum().item() == here.sum().item()
