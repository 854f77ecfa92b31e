"""`wise parity` against a second, literal WISE in the released code's convention, and against real golden runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from tests.golden.make import RUNS, make
from tests.golden.run import write_golden
from tests.golden.texts import PAD
from wise.cli import main
from wise.editors.wise.merging import merge
from wise.editors.wise.rows import rows_of
from wise.editors.wise.training import SideMemory, train
from wise.errors import ConfigError, DataError
from wise.parity.check import check_folder
from wise.parity.deviations import KINDS, Deviations
from wise.parity.golden import DIGESTS, SHIPPED, Golden, shipped
from wise.parity.replay import Replay
from wise.parity.rounding import rounded_merge
from wise.records import EditRecord

REAL = Path(__file__).parents[3] / "shared" / "reference" / "wise_official"
MERGE = {"retrieve": False}
RANDOM = ("dare_ties", "dare_linear")
SINGLE = {"dtype": "float32", "edit_lr": 0.3}
BLURRED = {"save_freq": 1, "merge_freq": 3, "norm_constraint": 0.02, "mask_ratio": 0.9, "edit_lr": 30.0, "edits": 7}
"""Nearly all entries end at the clamp, so that only rounding tells which of them are the largest."""

VARIANTS = {
    "retrieve": {},
    "merge": MERGE,
    "model beside": {"beside": True, **MERGE},
    "retrieve, merging between two savings": {"edits": 7, "merge_freq": 5},
    "merge, merging between two savings": {"edits": 7, "merge_freq": 5, **MERGE},
    "merge, memory pending": {"edits": 7, **MERGE},
    "one shard": {"save_freq": 500, "merge_freq": 1000},
    "one shard, nothing to merge yet": {"save_freq": 500, "merge_freq": 1000, **MERGE},
    "shards of one edit": {"save_freq": 1, "merge_freq": 1},
    "replay": {"replay": True, "save_freq": 1, "merge_freq": 2, "edits": 6, "n_iter": 8, "mask_ratio": 0.5,
               "norm_constraint": 3.0, "edit_lr": 2.0},
    "subjects": {"subjects": True},
    "subjects and replay": {"subjects": True, "replay": True, "save_freq": 1, "merge_freq": 2},
    "no clamp": {"norm_constraint": None},
    "tight clamp": {"norm_constraint": 0.02},
    "tight clamp, three shards": BLURRED,
    "tight clamp, three shards, merge": BLURRED | MERGE,
    "early stop": {"edit_lr": 3.0, "n_iter": 60, "edits": 4, "mask_ratio": 1.0, "norm_constraint": 100.0,
                   "alpha": 50.0, "beta": 1e-4, "gamma": -50.0},
    "one iteration": {"n_iter": 1},
    "other scales": {"act_ratio": 0.5, "weights": 0.7, "densities": 0.3, "mask_ratio": 0.6, **MERGE},
    "float32": SINGLE,
    "slerp along a line": {"merge_alg": "slerp", "norm_constraint": 0.005, **MERGE},
    "slerp, retrieve": {"merge_alg": "slerp"},
    "linear, retrieve": {"merge_alg": "linear", "save_freq": 1},
    **{rule: {"merge_alg": rule, **MERGE} for rule in ("magnitude", "sign", "linear", "slerp", *RANDOM)},
    **{f"{rule}, float32": {"merge_alg": rule, **MERGE, **SINGLE} for rule in ("ties", *RANDOM)},
}  # fmt: skip


def trace_of(folder: Path) -> dict:
    return json.loads((folder / "trace.json").read_text())


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_replayed_number_for_number(name, tmp_path, capsys):
    folder = tmp_path / "golden"
    write_golden(folder, **VARIANTS[name])
    status = main(["parity", str(folder)])
    shown = capsys.readouterr().out.splitlines()
    assert status == 0, "\n".join(shown)
    assert shown[0].startswith(f"{folder}: pass (") and [line.split("  ")[1] for line in shown[1:]] == list(KINDS)


def test_the_variants_are_what_they_are_called(tmp_path):
    def written(name):
        write_golden(tmp_path / name, **VARIANTS[name])
        return trace_of(tmp_path / name), load_file(tmp_path / name / "arrays.safetensors")

    trace, _ = written("early stop")
    assert [edit["early_stopped"] for edit in trace["per_edit"]] == [False, True, False, True]
    _, arrays = written("replay")
    assert np.isnan(arrays["edit1/iter_replay"]).all() and (arrays["edit5/iter_replay"][-1] > 0).all()
    trace, arrays = written("tight clamp, three shards")
    moved = np.abs(arrays["merge0/in0"] - arrays["merge0/layer_before"])
    assert (moved > 0.02 - 1e-12).mean() > 0.53, "the largest entries are of one size"
    trace, _ = written("merge, memory pending")
    assert [merge["n_in"] for merge in trace["merges_during_edit"] + trace["merges_triggered_by_eval"]] == [2, 2]
    assert len(trace["probes"][5]["ids"]) > 100, "a text that is scored by its largest gap"
    routes = {route for run in written("retrieve")[0]["generation"] for route in run["routes"]}
    assert routes == {"original", "new", "memory0"}


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden") / "merge"
    write_golden(folder, retrieve=False)
    return folder


@pytest.fixture
def copy(golden, tmp_path):
    return Path(shutil.copytree(golden, tmp_path / "copy"))


def change_array(folder: Path, name: str, place: tuple[int, int]) -> None:
    arrays = load_file(folder / "arrays.safetensors")
    arrays[name][place] += 1e-6
    save_file(arrays, folder / "arrays.safetensors")


def change_trace(folder: Path, value, *path) -> None:
    trace = trace_of(folder)
    inside = trace
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value if not callable(value) else value(inside[path[-1]])
    (folder / "trace.json").write_text(json.dumps(trace))


def shifted(value):
    return value + 1e-6


CHANGES = {
    "edit loss": ("losses", change_array, "edit1/iter_loss", (0, 1)),
    "routing loss": ("losses", change_array, "edit1/iter_loss", (2, 2)),
    "total loss": ("losses", change_array, "edit4/iter_loss", (4, 0)),
    "logits": ("losses", change_array, "probe/2/rephrase/logits", (1, 7)),
    "gap": ("scores", change_array, "edit0/delta_tok_first", (1, 3)),
    "side memory": ("side memories", change_array, "edit2/w_after", (3, 5)),
    "saved memory": ("side memories", change_array, "save1/weight", (0, 0)),
    "main memory": ("side memories", change_array, "final/layer_weight", (0, 0)),
    "merge input": ("merges", change_array, "merge0/in1", (0, 0)),
    "merge output": ("merges", change_array, "merge0/out", (15, 23)),
    "recorded score": ("thresholds", change_trace, shifted, "per_edit", 1, "saved_activation", 0),
    "smallest score": ("thresholds", change_trace, shifted, "per_edit", 2, "editing_min_act"),
    "score of a saved memory": ("thresholds", change_trace, shifted, "saves", 0, "min_act"),
    "threshold of a probe": ("thresholds", change_trace, shifted, "probes", 3, "thr_edit"),
    "distance of a probe": ("scores", change_trace, shifted, "probes", 3, "d_layer"),
    "choice of a probe": ("choices", change_trace, ["new"], "probes", 0, "chosen_first_equal"),
    "route of a step": ("choices", change_trace, "new", "generation", 4, "routes", 1),
    "generated token": ("choices", change_trace, lambda token: token % 40 + 3, "generation", 3, "generated", 0),
    "updates": ("counters", change_trace, 4, "per_edit", 0, "n_updates"),
    "memories": ("counters", change_trace, 0, "per_edit", 1, "n_memories"),
    "a saving": ("counters", change_trace, 2, "saves", 0, "after_edit"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_one_changed_number_is_found(name, copy, capsys):
    kind, change, *how = CHANGES[name]
    change(copy, *how)
    assert main(["parity", str(copy)]) == 1
    verdict, *rows = capsys.readouterr().out.splitlines()
    assert verdict.startswith(f"{copy}: FAIL")
    deviation = next(row for row in rows if row.strip().startswith(kind)).removeprefix(f"  {kind}").split()[0]
    assert float(deviation) > 1e-8, "in the row of its own kind"


def test_one_bad_folder_among_good_ones_fails_all(golden, copy, capsys):
    change_array(copy, "merge0/out", (0, 0))
    assert main(["parity", str(golden), str(copy)]) == 1
    shown = capsys.readouterr().out
    assert f"{golden}: pass" in shown and f"{copy}: FAIL" in shown


@pytest.mark.parametrize("name", ["inputs.json", "arrays.safetensors", "trace.json", "model.safetensors"])
def test_a_missing_file_is_named(name, copy, caplog):
    (copy / name).unlink()
    assert main(["parity", str(copy)]) == 2
    assert name in caplog.text and str(copy) in caplog.text


def test_an_unknown_precision_is_named(copy, caplog):
    change_trace(copy, "float16", "dtype")
    assert main(["parity", str(copy)]) == 2
    assert "dtype 'float16', expected one of float64, float32" in caplog.text


def test_a_model_that_is_not_finite_or_larger_than_its_weights_is_named(copy):
    weights, config = load_file(copy / "model.safetensors"), json.loads((copy / "model_config.json").read_text())
    (copy / "model_config.json").write_text(json.dumps(config | {"vocab_size": 2**30}))
    with pytest.raises(ConfigError, match="model_config.json: describes a model of .* numbers, the weights hold"):
        check_folder(str(copy))
    (copy / "model_config.json").write_text(json.dumps(config))
    unsound = {name: np.full_like(array, np.nan) for name, array in weights.items()}
    save_file(unsound, copy / "model.safetensors")
    with pytest.raises(ConfigError, match="model.safetensors': .* numbers that are not finite"):
        check_folder(str(copy))


@pytest.mark.parametrize("steps", [0, 10**18, "5", None])
def test_a_number_of_steps_that_nobody_takes_is_named(steps, copy):
    inputs = json.loads((copy / "inputs.json").read_text())
    inputs["hparams"]["n_iter"] = steps
    (copy / "inputs.json").write_text(json.dumps(inputs))
    with pytest.raises(DataError, match="inputs.json: hparams.n_iter must be from 1 to 10000"):
        check_folder(str(copy))


def test_missing_numbers_are_named(copy):
    arrays = load_file(copy / "arrays.safetensors")
    del arrays["edit3/w_after"]
    save_file(arrays, copy / "arrays.safetensors")
    with pytest.raises(DataError, match="arrays.safetensors: has no array 'edit3/w_after'"):
        check_folder(str(copy))
    trace = trace_of(copy)
    del trace["probes"]
    (copy / "trace.json").write_text(json.dumps(trace))
    with pytest.raises(DataError, match="trace.json: lacks the key 'probes'"):
        Golden.open(copy)
    (copy / "trace.json").write_text("{")
    with pytest.raises(DataError, match="trace.json"):
        Golden.open(copy)


@pytest.mark.parametrize("stops", [True, False], ids=["stops", "goes on"])
def test_an_answer_that_ends_the_text_is_replayed(stops, tmp_path):
    write_golden(tmp_path, retrieve=False, ends=True)
    trace = trace_of(tmp_path)
    ending = [run for run in trace["generation"] if PAD in run["generated"]]
    assert any(run["generated"].index(PAD) + 1 < len(run["generated"]) for run in ending)
    for run in ending if stops else []:
        length = run["generated"].index(PAD) + 1
        run["generated"], run["routes"] = run["generated"][:length], run["routes"][:length]
    (tmp_path / "trace.json").write_text(json.dumps(trace))
    assert main(["parity", str(tmp_path)]) == 0


@pytest.mark.parametrize("name", ["retrieve", "subjects", "tight clamp", "no clamp", "early stop"])
def test_the_path_that_edits_take_gives_the_same_numbers(name, tmp_path):
    """Replays run the whole model for the last bit; edits run from the matrix on, and agree up to float32 norms."""
    write_golden(tmp_path, **VARIANTS[name])
    golden = Golden.open(tmp_path)
    editor, before = Replay(golden, Deviations()).editor, None
    for edit in range(2):  # of the first shard
        trace = golden.trace["per_edit"][edit]
        with editor.unedited():
            rows = rows_of(editor.tail.read(golden.batch(edit)), *(golden.spans(edit) or ()))
        mask, base = golden.array(f"edit{edit}/mask").bool(), editor.site.weight
        start = torch.zeros_like(base) if before is None else before - base
        memory = SideMemory(editor.tail, rows, editor.step(), start, mask)
        outcome, score = train(memory, EditRecord(str(edit), "prompt", "target", ""))
        before = golden.array(f"edit{edit}/w_after")
        assert outcome.iterations == trace["n_updates"]
        assert score.item() == pytest.approx(trace["saved_activation"][0], rel=1e-5)
        assert (base + memory.change().detach() - before).abs().max().item() < 1e-5


def test_deviations_are_absolute_but_for_large_scores_and_never_hide_what_is_missing():
    deviations = Deviations()
    deviations.note("losses", [1000.0, 0.5], [1001.0, 0.5])
    assert deviations.largest["losses"] == pytest.approx(1.0)
    deviations.note("scores", [1000.0, 0.5], [1001.0, 0.5])
    assert deviations.largest["scores"] == pytest.approx(1 / 1001)
    deviations.note("scores", float("nan"), 1.0)
    deviations.note("thresholds", [1.0], [1.0, 2.0])
    assert deviations.largest["scores"] == deviations.largest["thresholds"] == float("inf")
    assert not Deviations().within(1.0), "nothing was compared"


def test_rounding_of_the_released_code_changes_no_rule():
    draw = torch.Generator().manual_seed(0)
    deltas = [torch.randn(6, 5, generator=draw, dtype=torch.float64) for _ in range(3)]
    weights = [0.5, 0.3, 0.2]
    for rule in ("ties", "dare_ties", "dare", "dare_linear", "magnitude", "magnitude_norm", "sign", "linear"):
        one, other = (
            merging(deltas, rule, 0.53, weights, torch.Generator().manual_seed(1)) for merging in (merge, rounded_merge)
        )
        assert torch.allclose(one, other, atol=1e-6), rule


def test_the_projects_own_runs_are_replayed_without_an_argument(capsys):
    assert main(["parity"]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("  ")]
    assert [line.partition(": pass (")[0] for line in shown] == [str(SHIPPED / name) for name in sorted(RUNS)]


def test_the_projects_own_runs_are_what_their_script_makes(tmp_path):
    make(tmp_path)
    for folder in shipped():
        stored, made = Golden.open(folder), Golden.open(tmp_path / folder.name)
        assert made.inputs == stored.inputs and made.arrays.keys() == stored.arrays.keys()
        for name, array in stored.arrays.items():
            assert torch.allclose(made.array(name), array, rtol=0, atol=stored.tolerance, equal_nan=True), name
        assert made.trace["generation"] == stored.trace["generation"]


def test_the_projects_own_runs_are_small_and_guarded_by_digests(tmp_path, caplog):
    files = {path.relative_to(SHIPPED).as_posix() for path in SHIPPED.rglob("*") if path.is_file()} - {DIGESTS}
    assert files == set(json.loads((SHIPPED / DIGESTS).read_text())) and len(files) == 3 * len(RUNS) + 2
    assert sum((SHIPPED / file).stat().st_size for file in files) < 300_000
    copy = Path(shutil.copytree(SHIPPED, tmp_path / "runs"))
    change_trace(copy / "merge", shifted, "per_edit", 0, "editing_min_act")
    assert main(["parity", str(copy / "merge")]) == 2
    assert f"{copy / 'merge/trace.json'}: missing or changed since it was made" in caplog.text
    assert main(["parity", str(copy / "dare-ties")]) == 0, "its own files are as they were"


def test_tensors_may_be_stored_by_numpy(copy):
    for name in ("arrays", "model"):
        np.savez(copy / f"{name}.npz", **load_file(copy / f"{name}.safetensors"))
        (copy / f"{name}.safetensors").unlink()
    assert main(["parity", str(copy)]) == 0


@pytest.mark.skipif(not REAL.is_dir(), reason="the golden runs of the released code are not here")
@pytest.mark.parametrize("folder", sorted(REAL.glob("*.float*")), ids=lambda folder: folder.name)
def test_golden_runs_of_the_released_code(folder):
    golden, deviations = check_folder(folder)
    assert deviations.within(golden.tolerance), deviations.largest
