"""The benchmark verb: both ways learn and answer the same, and what it reports is whole."""

from __future__ import annotations

import json

import pytest
import torch

from wise.benchmark.edit import Problem
from wise.benchmark.full import full_forward_edit
from wise.benchmark.inference import EDITS
from wise.benchmark.measure import Cost, alternated, measured, operations, ratios, summary
from wise.benchmark.model import Shape, random_llama, random_texts, words
from wise.cli import main
from wise.errors import ConfigError
from wise.lm.architectures import find_site
from wise.lm.batch import collate, encode_prompts

SHAPE = Shape(layers=3, hidden=32, intermediate=64, vocab=100)
SIZES = ["--layers=3", "--hidden=32", "--intermediate=64", "--vocab=100", "--length=12", "--targets=3", "--repeats=2"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def lm():
    return random_llama(SHAPE)


@pytest.fixture
def quick_rate(monkeypatch):
    """The machine's rate costs a second; any number does where the rest is looked at."""
    monkeypatch.setattr("wise.benchmark.edit.matmul_rate", lambda *_: 1e12)


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("targets", [1, 4])
def test_both_ways_learn_the_same_update(lm, layer, targets):
    problem = Problem.draw(lm, layer, rows=4, length=10, targets=targets, iterations=6, seed=0)
    tail, full = problem.through_tail(), problem.by_full_forward()
    assert full.abs().max() > 1e-3, "an edit that changes nothing compares nothing"
    torch.testing.assert_close(tail, full, atol=1e-5, rtol=1e-5)
    assert not tail[~problem.mask].any()


def test_the_edit_is_learned(lm):
    """The rate suits a random model: more iterations make the targets more likely."""
    losses = []
    for iterations in (1, 40):
        problem = Problem.draw(lm, 1, rows=4, length=10, targets=2, iterations=iterations, seed=0)
        losses.append(_edit_loss(lm, problem))
    assert losses[1] < losses[0] - 0.01


def _edit_loss(lm, problem) -> float:
    """Mean loss of all target tokens with the edit in place."""
    site = find_site(lm.model, problem.layer)
    batch = collate(problem.edit, 0)
    rows, positions = batch.predicting()
    original = site.module.weight
    site.module.weight = site.parameter(site.weight + problem.by_full_forward())
    try:
        with torch.no_grad():
            logits = lm.model(input_ids=batch.input_ids).logits[rows, positions]
    finally:
        site.module.weight = original
    return torch.nn.functional.cross_entropy(logits, batch.input_ids[rows, positions + 1]).item()


def test_the_full_forward_way_leaves_the_model_as_it_was(lm):
    problem = Problem.draw(lm, 1, rows=3, length=8, targets=2, iterations=1, seed=0)
    site = find_site(lm.model, 1)
    before = site.weight.clone()
    full_forward_edit(lm, site, collate([*problem.edit, problem.irrelevant], 0), problem.step, problem.mask)
    assert not site.module._forward_hooks and torch.equal(site.weight, before)


def test_edit_prints_json_and_nothing_else(capsys, tmp_path, quick_rate):
    out = tmp_path / "edit.json"
    arguments = [*SIZES, "--edit-layer=1", "--rows=4", "--iterations=3", "--json", f"--out={out}"]
    threads = torch.get_num_threads()  # noqa: TID251 - that it is left as it was
    assert main(["benchmark", "edit", *arguments]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads(out.read_text())
    assert torch.get_num_threads() == threads  # noqa: TID251
    assert result["settings"]["rows"] == 4 and result["settings"]["edit_layer"] == 1
    for way in ("tail", "full"):
        assert len(result[way]["wall_seconds_all"]) == len(result[way]["cpu_seconds_all"]) == 2
        assert result[way]["wall_seconds"] > 0 and result[way]["peak_memory_bytes"] >= 0
    expected = result["full"]["wall_seconds"] / result["tail"]["wall_seconds"]
    assert result["ratio_full_to_tail"]["wall"] == pytest.approx(expected)
    assert result["ratio_full_to_tail"]["cpu"] > 0
    assert result["largest_deviation"] < 1e-5 < result["largest_update"]
    assert result["tail_operations"] > 0 and result["machine_operations_per_second"] == 1e12
    assert 0 < result["fraction_of_machine"] < 1
    assert result["hardware"]["threads"] == 1 and result["versions"]["torch"]


def test_edit_prints_a_table_with_what_generation_costs(capsys, quick_rate):
    assert main(["benchmark", "edit", *SIZES, "--edit-layer=1", "--rows=3", "--iterations=1", "--inference"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert float(lines["ratio_full_to_tail.wall"]) > 0
    assert lines["tail.peak_memory_bytes"].endswith("MiB")
    retrieve, merge = (lines[f"inference.wise-{name}.extra_parameters"] for name in ("retrieve", "merge"))
    keys = int(merge) - 32 * 64  # of target tokens, 64 numbers and one each
    ranks, rest = divmod(int(retrieve) - keys, 32 + 64)
    assert keys % 65 == 0 and rest == 0, "one matrix, or two factors for each edit"
    assert EDITS <= ranks < EDITS * 32 * 64 / (32 + 64), "which are smaller than a matrix for each"
    assert float(lines["inference.wise-merge.ratio_side_to_unedited.wall"]) > 0


def test_probe_answers_the_same_both_ways(capsys):
    assert main(["benchmark", "probe", *SIZES, "--edit-layer=1", "--questions=70", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["largest_deviation"] < 1e-5
    assert result["ratio_full_to_tail"]["wall"] > result["ratio_full_to_tail_with_prefix"]["wall"] > 0
    assert result["prefix"]["wall_seconds"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["edit", "--edit-layer=3"], "layer 3 does not exist: 'llama' has layers 0 to 2 here"),
        (["probe", "--edit-layer=-1"], "layer -1 does not exist"),
        (["edit", "--rows=1"], "rows must be at least 2"),
        (["edit", "--targets=12"], "targets must be from 1 to length - 1 = 11"),
        (["edit", "--iterations=0"], "iterations must be at least 1"),
        (["edit", "--repeats=0"], "repeats and threads must be at least 1"),
        (["edit", "--dtype=float31"], "Did you mean 'float32'"),
        (["probe", "--questions=0"], "questions must be at least 1"),
        (["probe", "--vocab=2"], "vocab must be above 2"),
        (["edit", "--hidden=65"], "hidden 65 does not divide into 1 heads"),
        (["edit", "--device=gpu"], "device 'gpu'"),
    ],
)
def test_sizes_that_cannot_be_say_why(caplog, arguments, message):
    kind, *given = arguments
    assert main(["benchmark", kind, *SIZES, "--edit-layer=1", *given]) == 2
    assert message in caplog.text


def test_a_random_model_is_the_same_again_and_reads_its_own_words(lm):
    again, other = random_llama(SHAPE), random_llama(SHAPE, seed=1)
    weights, same = lm.model.lm_head.weight, again.model.lm_head.weight
    assert torch.equal(weights, same) and not torch.equal(weights, other.model.lm_head.weight)
    texts = random_texts(5, 7, 100, 0, "texts")
    assert [sequence.ids for sequence in encode_prompts(lm, [words(ids) for ids in texts])] == texts


def test_operations_are_those_of_the_products():
    left, right = torch.randn(3, 5), torch.randn(5, 7)
    assert operations(lambda: left @ right) == 2 * 3 * 5 * 7


def test_ways_are_measured_in_turn():
    order = []
    ways = {"one": lambda: order.append("one") or 1, "two": lambda: order.append("two") or 2}
    costs, results = alternated(ways, 3, CPU)
    assert order == ["one", "two"] * 3 and results == {"one": 1, "two": 2}
    assert all(len(values) == 3 for values in costs.values())


def test_memory_is_what_a_call_adds_at_its_peak():
    kept = torch.ones(8 * 2**20)  # 32 MiB that were there before
    cost, _ = measured(lambda: torch.ones(16 * 2**20).sum(), CPU)
    if cost.memory is None:
        pytest.skip("the system does not tell the peak of a process")
    assert 60 * 2**20 < cost.memory < 80 * 2**20
    assert kept.all()


def test_a_summary_takes_medians_and_the_largest_memory():
    costs = [Cost(4.0, 2.0, 10), Cost(8.0, 6.0, None), Cost(2.0, 4.0, 30)]
    half = summary(costs, calls=2)
    assert (half["wall_seconds"], half["cpu_seconds"], half["peak_memory_bytes"]) == (2.0, 2.0, 30)
    assert half["wall_seconds_all"] == [2.0, 4.0, 1.0]
    assert summary([Cost(1.0, 0.0, None)])["peak_memory_bytes"] is None
    fast = summary([Cost(1.0, 0.0, None)])
    assert ratios(half, fast) == {"wall": 2.0, "cpu": None}


def test_a_benchmark_of_no_sizes_is_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        Shape(layers=0, hidden=8, intermediate=8, vocab=8)
