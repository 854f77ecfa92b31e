"""Tuned options: written by searches, read by edit jobs below everything that a configuration says itself."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from wise.cli import main
from wise.config import plan
from wise.config.check import check_options
from wise.config.jobs import main_job, search_job, study_job, study_points
from wise.config.model import complete
from wise.config.stale import stale
from wise.config.tuned import read_tuned
from wise.editors.entries import EDITORS
from wise.editors.registry import editor_class
from wise.editors.space import Among, Range, space
from wise.errors import ConfigError, DataError
from wise.options import build_options
from wise.records import EditRecord, Probe
from wise.tuning.identity import identity
from wise.tuning.objective import asked_for, average, scores
from wise.tuning.outcome import Budget, Outcome, Trial, digest, read_outcome, write_outcome

PLACE = ("factworld-qa", "tiny")


def outcome(editor: str, config: dict[str, Any], *trials: tuple[str, dict[str, Any], float | None]) -> Outcome:
    """A search as it would be now, with trials of an origin, options and score (None: it failed)."""
    job = search_job(config, "tiny", editor)
    search = identity(Budget.of(config["tuning"]), editor_class(editor).Config, job.options, job.layer)
    made = [
        Trial(i, origin, "failed" if score is None else "complete", options, score, {}, 1.5, "no" * (score is None))
        for i, (origin, options, score) in enumerate(trials)
    ]
    return Outcome(*PLACE, editor, search | {"development": "0" * 16, "code": "1" * 16}, made)


@pytest.fixture
def config(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The configuration of the workflow's tests, with a tuned file for two of its editors."""
    written = yaml.safe_load((project / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    written["editors"] = {"none": {}, "grace": {"steps": 2}, "wise-retrieve": {}, "ft-l": {}}
    written["ablations"] = {
        "switches": {"editors": ["wise-retrieve"], "edits": 2, "grid": {"2": 1},
                     "variants": {"plain": {}, "k": {"shards": 8}, "paper": {"convention": "paper"}}}
    }  # fmt: skip
    config = complete(written)
    searches = [
        outcome("grace", config, ("defaults", {"radius": 0.1, "steps": 2}, 0.4),
                ("search", {"radius": 0.7, "steps": 2}, 0.9)),
        outcome("wise-retrieve", config, ("defaults", {"lr": 60.0}, 0.8),
                ("search", {"lr": 5.0, "shards": 4, "layer": 0}, 0.9)),
        outcome("ft-l", config, ("defaults", {}, None)),
    ]  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for found in searches:
        write_outcome(f"{found.editor}.json", found)
    assert main(["adopt", "--searches", *(f"{f.editor}.json" for f in searches), "--out", "tuned.yaml"]) == 0
    config["tuned"] = "tuned.yaml"
    plan.check(config)
    return config


def test_a_tuned_file_says_what_was_chosen_and_how(config: dict[str, Any]):
    entries = read_tuned("tuned.yaml")["factworld-qa"]["tiny"]
    assert list(entries) == ["grace", "wise-retrieve"], "in the order of tables, without one whose trials all failed"
    grace = entries["grace"]
    assert grace.options == {"radius": 0.7}, "options that the configuration sets are not the search's"
    assert (grace.score, grace.default, grace.sensitivity, grace.trials, grace.seconds) == (0.9, 0.4, 0.5, 2, 3.0)
    assert grace.digest == digest(grace.search) and grace.search["trials"] == 2
    assert all(len(line) <= 130 for line in Path("tuned.yaml").read_text().splitlines())


def test_searches_made_later_leave_the_others_in_the_file(config: dict[str, Any]):
    before = read_tuned("tuned.yaml")["factworld-qa"]["tiny"]
    better = outcome("wise-retrieve", config, ("search", {"lr": 7.0}, 0.95))
    write_outcome("later.json", better)
    assert main(["adopt", "--searches", "later.json", "--out", "tuned.yaml"]) == 0
    after = read_tuned("tuned.yaml")["factworld-qa"]["tiny"]
    assert after["grace"] == before["grace"] and after["wise-retrieve"].options == {"lr": 7.0}
    write_outcome("later.json", outcome("wise-retrieve", config, ("search", {"lr": 7.0}, None)))
    assert main(["adopt", "--searches", "later.json", "--out", "tuned.yaml"]) == 0
    assert list(read_tuned("tuned.yaml")["factworld-qa"]["tiny"]) == ["grace"], "it keeps its defaults"


def test_edit_jobs_read_tuned_options_and_their_digest(config: dict[str, Any]):
    entries = read_tuned("tuned.yaml")["factworld-qa"]["tiny"]
    job = main_job(config, *PLACE, "wise-retrieve", 0)
    assert (job.options, job.layer) == ({"lr": 5.0, "shards": 4}, 0)
    assert job.tuned == entries["wise-retrieve"].digest
    assert main_job(config, *PLACE, "ft-l", 0).tuned == "" and main_job(config, *PLACE, "ft-l", 0).options == {}


def test_what_a_configuration_says_itself_wins(config: dict[str, Any]):
    config["editors"]["grace"] = {"steps": 2, "radius": 3.0, "layer": 1}
    assert plan.options(config, *PLACE, "grace") == {"radius": 3.0, "steps": 2}
    config["models"]["tiny"]["editors"]["grace"] = {"radius": 9.0}
    assert plan.options(config, *PLACE, "grace")["radius"] == 9.0
    assert plan.options(config, *PLACE, "grace", {"radius": 1.0})["radius"] == 1.0
    config["editors"]["wise-retrieve"] = {"layer": 1}
    assert plan.layer(config, *PLACE, "wise-retrieve") == 1


def test_studies_start_from_tuned_options_unless_they_are_of_another_convention(config: dict[str, Any]):
    jobs = {p.path.split("/")[2]: study_job(config, "switches", p) for p in study_points(config, "switches").values()}
    assert jobs["plain"].options == {"lr": 5.0, "shards": 4} and jobs["plain"].tuned
    assert jobs["k"].options == {"lr": 5.0, "shards": 8}
    assert jobs["paper"].options == {"convention": "paper"} and jobs["paper"].tuned == ""


def test_a_search_does_not_start_from_what_an_earlier_one_found(config: dict[str, Any]):
    assert search_job(config, "tiny", "wise-retrieve") == ({}, 1)
    assert search_job(config, "tiny", "grace") == ({"steps": 2}, 1)


def test_studies_run_on_development_edits_when_they_say_so(config: dict[str, Any]):
    assert {study_job(config, "switches", p).records for p in study_points(config, "switches").values()} == {"stream"}
    config["ablations"]["switches"]["records"] = ["development", "stream"]
    jobs = {path: study_job(config, "switches", point) for path, point in study_points(config, "switches").items()}
    assert [path for path, job in jobs.items() if job.records == "development"] == [
        f"switches/development/factworld-qa/wise-retrieve/{variant}/seed0" for variant in ("plain", "k", "paper")
    ]
    assert len(jobs) == 6 and jobs["switches/factworld-qa/wise-retrieve/k/seed0"].records == "stream"
    config["ablations"]["include"], config["ablations"]["switches"]["edits"] = ["switches"], 3
    with pytest.raises(ConfigError, match="switches.edits is 3, tuning.edits has only 2"):
        plan.check(config)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("factworld-qa:", "factworld-qs:", "tuned.yaml: unknown dataset 'factworld-qs'. Did you mean 'factworld-qa'"),
        ("  tiny:", "  tinny:", "tuned.yaml: factworld-qa: unknown model 'tinny'. Did you mean 'tiny'"),
        ("    grace:", "    grase:", "tuned.yaml: factworld-qa.tiny: unknown editor 'grase'. Did you mean 'grace'"),
        ("score: 0.9", "score: high", "factworld-qa.tiny.grace.score must be a valid number"),
        ("trials: 2", "trails: 2", "factworld-qa.tiny.grace.trails"),
        ("radius: 0.7", "radios: 0.7", "tuned.yaml: factworld-qa.tiny.grace.options.radios: unknown option 'radios'"),
        ("layer: 0", "layer: 7", "options.layer: layer 7 does not exist: 'tiny' has layers 0 to 1"),
        ("factworld-qa:", "factworld-qa: [", "tuned.yaml: not valid JSON or YAML"),
    ],
)
def test_names_that_do_not_exist_are_refused(config: dict[str, Any], right: str, wrong: str, message: str):
    text = Path("tuned.yaml").read_text()
    assert right in text
    Path("other.yaml").write_text(text.replace(right, wrong, 1))
    config["tuned"] = "other.yaml"
    with pytest.raises(ConfigError) as error:
        plan.check(config)
        check_options(config, ())
    assert message.replace("tuned.yaml", "other.yaml") in str(error.value)


def test_a_file_that_is_not_there_is_named(config: dict[str, Any]):
    config["tuned"] = "gone.yaml"
    with pytest.raises(ConfigError, match='there is no file gone.yaml; with tuned: "", `snakemake tune` writes'):
        plan.check(config)


def test_an_outcome_of_another_form_is_named(tmp_path: Path):
    (tmp_path / "x.json").write_text('{"dataset": "a"}')
    with pytest.raises(DataError, match="x.json: not the outcome of a search"):
        read_outcome(tmp_path / "x.json")


def test_check_tells_when_a_search_would_be_another_one(config: dict[str, Any]):
    assert stale(config) == ["tuned.yaml has nothing for ft-l on factworld-qa, tiny; `snakemake tune` searches it"]
    data = Path(config["results"], "data/factworld-qa")
    data.mkdir(parents=True)
    (data / "development.jsonl").write_text("{}\n")
    config["tuning"] = config["tuning"] | {"trials": 9}
    config["editors"]["grace"] = {"steps": 3}
    told = stale(config)
    assert "grace on factworld-qa, tiny was searched with other trials, fixed, development" in told[0]
    assert "wise-retrieve on factworld-qa, tiny was searched with other trials, development;" in told[1]


def test_the_verb_check_warns_and_is_content(config: dict[str, Any], caplog: pytest.LogCaptureFixture):
    Path("mine.yaml").write_text(yaml.safe_dump({key: config[key] for key in ("models", "tuned", "tuning")} | {
        "editors": {"ft-l": {}}, "evaluation": {"edits": 4, "grid": {"4": 1}}}))  # fmt: skip
    with caplog.at_level(logging.WARNING):
        assert main(["check", "mine.yaml"]) == 0
    assert "mine.yaml: tuned.yaml has nothing for ft-l on factworld-qa, tiny" in caplog.text


# What is declared


@pytest.mark.parametrize("name", sorted(set(EDITORS) - {"none"}))
def test_every_editor_declares_a_space_of_options_that_it_takes(name: str):
    kind = editor_class(name).Config
    declared = space(kind)
    assert declared, "no option says what is searched of it: annotate some with Range or Among (wise.editors.space)"
    for option, choice in declared.items():
        for value in choice.values if isinstance(choice, Among) else (choice.low, choice.high):
            build_options(kind, {option: value}, option)
        if isinstance(choice, Range):
            assert 0 <= choice.low < choice.high and (choice.low > 0 or not choice.log)


# What is searched for


RECORD = EditRecord("a", "p", "t", probes=tuple(
    Probe(kind, kind, "t") for kind in ("paraphrase", "locality_near", "locality_far", "portability", "ood")
))  # fmt: skip


def test_only_what_the_objective_reads_is_asked():
    kinds = [probe.kind for probe in asked_for([RECORD])[0].probes]
    assert kinds == ["paraphrase", "locality_near", "locality_far"]
    bare = EditRecord("a", "p", "t", probes=tuple(p for p in RECORD.probes if p.kind != "paraphrase"))
    assert [probe.kind for probe in asked_for([bare])[0].probes] == ["locality_near", "locality_far", "ood"]


def test_near_and_far_locality_weigh_alike_and_together_as_one_part():
    assert average({"rel": 1.0, "gen": 0.4, "loc_near": 0.2, "loc_far": 0.6}) == pytest.approx((1.0 + 0.4 + 0.4) / 3)
    assert average({"rel": 1.0, "ood": 0.5, "loc_far": 0.6}) == pytest.approx((1.0 + 0.5 + 0.6) / 3)
    assert average({"rel": 0.7}) == 0.7


def test_scores_are_read_from_the_rows_of_a_transcript():
    def row(kind: str, predicted: list[int], before: list[int]) -> dict[str, Any]:
        return {"T": 1, "chunk": 0, "edit": 0, "age": 0, "record": "a", "kind": kind, "name": "", "nll": [0.1, 0.1],
                "target_tokens": [1, 2], "predicted_tokens": predicted, "before_tokens": before,
                "base_accuracy": None}  # fmt: skip

    found = scores([
        row("edit", [1, 2], [5, 5]), row("paraphrase", [1, 9], [5, 5]),
        row("locality_near", [5, 9], [5, 5]), row("locality_far", [5, 5], [5, 5]),
    ])  # fmt: skip
    assert found == {"rel": 1.0, "gen": 0.5, "loc_near": 0.5, "loc_far": 1.0, "avg": pytest.approx(0.75)}
