"""The verb `tune` on a tiny model, with trials that edit and ask as edit jobs do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.models import tiny_language_model
from wise.cli import main
from wise.editors.memoir import Memoir
from wise.evaluate.ask import questions_of
from wise.records import EditRecord, Probe, write_records
from wise.tuning.outcome import read_outcome
from wise.tuning.trial import Bench

PROMPTS = [("Ada was born in", "Port Hill"), ("Bo lives in the city of", "North West"), ("Cy works for", "East Hill")]
OTHERS = ["Dee was born in", "Eli lives in", "the person works for", "Gus works for a city", "Hal lives in the East"]
CONTEXTS = ["the city of", "a person was"]


def record(index: int) -> EditRecord:
    prompt, target = PROMPTS[index % 3]
    probes = (
        Probe("paraphrase", f"the person {prompt}", target),
        Probe("locality_near", OTHERS[index % 5], "South"),
        Probe("locality_far", OTHERS[(index + 2) % 5], "South"),
        Probe("portability", f"a person {prompt}", target),
    )
    return EditRecord(f"edit-{index}", prompt, target, prompt.split()[0], OTHERS[index % 5], probes)


RECORDS = [record(index) for index in range(3)]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Arguments that name a model, development records, training records and prefixes."""
    lm = tiny_language_model()
    lm.model.save_pretrained(tmp_path / "model")
    lm.tokenizer.save_pretrained(tmp_path / "model")
    write_records(tmp_path / "development.jsonl", RECORDS)
    write_records(tmp_path / "train.jsonl", [replace(record(i), id=f"train-{i}") for i in range(8)])
    (tmp_path / "contexts.json").write_text(json.dumps({"contexts": CONTEXTS}))
    return [
        "--model", str(tmp_path / "model"), "--records", str(tmp_path / "development.jsonl"), "--device", "cpu",
        "--train", str(tmp_path / "train.jsonl"), "--contexts", str(tmp_path / "contexts.json"), "--layer", "2",
        "--dataset", "made-up", "--model-name", "tiny",
    ]  # fmt: skip


def tune(files: list[str], folder: Path, editor: str, trials: int = 3, edits: int = 3, **options: object) -> int:
    budget = {"trials": trials, "edits": edits, "grid": {"1": 2, "3": 1}, "seed": 0, "layers": []}
    where = ["--trials", str(folder / "trials.db"), "--out", str(folder / "found.json")]
    told = ["--tuning", json.dumps(budget), "--options", json.dumps(options), "--editor", editor]
    return main(["tune", *files, *told, *where])


@pytest.mark.parametrize(
    ("editor", "options"),
    [("ft-l", {"context_prefixes": 1}), ("retrieval", {}), ("mend", {"iterations": 4, "context_prefixes": 0})],
)
def test_a_search_writes_every_trial_with_its_scores(files: list[str], tmp_path: Path, editor: str, options: dict):
    assert tune(files, tmp_path, editor, **options) == 0
    found = read_outcome(tmp_path / "found.json")
    assert (found.dataset, found.model, found.editor) == ("made-up", "tiny", editor)
    assert len(found.trials) == found.search["trials"] == 3 and found.search["fixed"] == options
    assert found.best is not None and found.trials[0].origin == "defaults"
    for trial in found.trials:
        assert trial.seconds > 0 and (trial.state == "failed") == bool(trial.message)
        if trial.state == "complete":
            assert list(trial.scores) == ["1", "3"]
            assert set(trial.scores["1"]) == {"rel", "gen", "loc_near", "loc_far", "avg"}
            assert trial.score == pytest.approx(sum(part["avg"] for part in trial.scores.values()) / 2)
            assert trial.options.items() >= options.items()


def test_trials_are_made_on_edits_of_the_named_tasks(files: list[str], tmp_path: Path, caplog):
    named = [replace(record(i), task="recent" if i else "questions") for i in range(3)]
    write_records(tmp_path / "development.jsonl", named)
    budget = {"trials": 1, "edits": 2, "grid": {"2": 1}, "seed": 0, "layers": [], "tasks": ["recent"]}
    where = ["--trials", str(tmp_path / "trials.db"), "--out", str(tmp_path / "found.json"), "--editor", "ft-l"]
    assert main(["tune", *files, "--tuning", json.dumps(budget), *where]) == 0
    assert read_outcome(tmp_path / "found.json").search["tasks"] == ["recent"]
    assert main(["tune", *files, "--tuning", json.dumps(budget | {"edits": 3}), *where]) == 2
    assert "holds 2 records of the tasks recent, tuning.edits asks for 3" in caplog.text


def test_a_search_that_is_done_is_not_made_again(files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert tune(files, tmp_path, "ft-l", context_prefixes=0) == 0
    first = read_outcome(tmp_path / "found.json")
    monkeypatch.setattr(Bench, "attempt", None)
    assert tune(files, tmp_path, "ft-l", context_prefixes=0) == 0
    assert read_outcome(tmp_path / "found.json") == first


def test_options_that_break_an_editor_are_a_failed_trial(files: list[str], tmp_path: Path):
    assert tune(files, tmp_path, "ft-m", trials=1, lr=3e38, context_prefixes=0, kl=0.0) == 0
    (trial,) = read_outcome(tmp_path / "found.json").trials
    assert trial.state == "failed" and "Error: " in trial.message and trial.score is None


def test_too_few_development_edits_are_named(files: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert tune(files, tmp_path, "ft-l", edits=4) == 2
    assert "development.jsonl: holds 3 records, tuning.edits asks for 4" in caplog.text


def test_what_no_searched_option_changes_is_prepared_once(monkeypatch: pytest.MonkeyPatch):
    made: list[str] = []
    make = Memoir.make_artifact

    def counted(self: Memoir, records):
        made.append(self.config.pooling)
        return make(self, records)

    monkeypatch.setattr(Memoir, "make_artifact", counted)
    lm = tiny_language_model()
    train = [replace(record(i), id=f"train-{i}") for i in range(8)]
    bench = Bench(lm, "memoir", 2, RECORDS, train, CONTEXTS, {1: 1}, 0)
    for options in ({"steps": 1}, {"steps": 2}, {"steps": 1, "pooling": "mean"}, {"steps": 3, "pooling": "mean"}):
        list(bench.attempt({"lr": 0.1, "context_prefixes": 0, **options}))
    assert made == ["measured", "mean"]


def test_the_model_is_as_it_was_behind_a_trial_and_one_that_was_left():
    lm = tiny_language_model()
    bench = Bench(lm, "ft-m", 2, RECORDS, RECORDS, CONTEXTS, {1: 1, 3: 1}, 0)
    before = {name: tensor.clone() for name, tensor in lm.model.state_dict().items()}
    options = {"lr": 5e-3, "context_prefixes": 0}
    whole = dict(bench.attempt(options))
    for _ in bench.attempt(options):
        break  # pruned
    assert all((tensor == before[name]).all() for name, tensor in lm.model.state_dict().items())
    assert dict(bench.attempt(options)) == whole
    kinds = {question.probe.kind for question in questions_of(range(3), bench.records)}
    assert kinds == {"edit", "paraphrase", "locality_near", "locality_far"}
