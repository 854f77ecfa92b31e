"""Sentences of instructions: weak ones are replaced while that gains, rounds are recorded, the held-out one stays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, QUICK, STREAM
from wise.cli import main
from wise.commands import instruct
from wise.errors import DataError
from wise.files import read_json
from wise.instructions.refinement import drafts_of, fits, refine, with_sentences, write_sentences
from wise.instructions.sentences import HELD_OUT, read_wordings, wording
from wise.lm.drafting import write_lines
from wise.records import write_records

WORTH = {"weak": 0.1, "fair": 0.5, "good": 0.6, "better": 0.9, "worse": 0.0}


def score(sentences):
    return {task: [WORTH[sentence] for sentence in own] for task, own in sentences.items()}


def drafter(*sentences):
    waiting = list(sentences)

    def draft(task, scored, count):
        assert set(scored) <= set(WORTH) and count == 1
        return [waiting.pop(0)] if waiting else []

    return draft


def test_the_weakest_sentence_is_replaced_while_that_gains():
    chosen, tried = refine({"recent": ["fair", "weak"]}, score, drafter("good", "better", "worse"), 5, 1)
    assert chosen == {"recent": ["better", "good"]}
    rounds = [[(one.sentence, one.new, one.kept) for one in tried if one.round == number] for number in range(4)]
    assert rounds == [
        [("fair", False, True), ("weak", False, True)],
        [("fair", False, True), ("good", True, True)],
        [("better", True, True), ("good", False, True)],
        [("better", False, False), ("worse", True, False)],
    ]
    assert refine({"recent": ["fair"]}, score, drafter(), 5, 1)[0] == {"recent": ["fair"]}
    assert max(one.round for one in refine({"recent": ["weak"]}, score, drafter("fair", "good"), 1, 1)[1]) == 1


@pytest.mark.parametrize("name", read_wordings())
def test_drafts_name_their_topic_and_are_not_yet_in_use(name):
    for task, drafts in drafts_of(name).items():
        used = wording(name).tasks[task].sentences
        assert all(fits(draft, task == "convsent") and draft not in used for draft in drafts)
        assert len(set(drafts)) >= 6
    assert not fits("nothing of it", False) and not fits("[TOPIC] [NAME]", False) and not fits("of [TOPIC]", True)


def test_what_was_chosen_is_a_file_of_sentences_that_says_how(tmp_path: Path):
    words = wording("factworld")
    new = [f"{index} of [TOPIC]" for index in range(HELD_OUT)]
    write_sentences(tmp_path / "s.yaml", "factworld", with_sentences(words, {"recent": new}), {"seed": 3})
    found = read_wordings(tmp_path / "s.yaml")
    assert found["english"] == wording("english") and found["factworld"].chosen == {"seed": 3}
    recent = found["factworld"].task("recent")[1].sentences
    assert list(recent) == [*new, words.tasks["recent"].sentences[HELD_OUT]]
    assert found["factworld"].tasks["questions"] == words.tasks["questions"]
    with pytest.raises(DataError, match="needs 9 sentences"):
        with_sentences(words, {"recent": new[:3]})


def test_the_verb_scores_sentences_by_edits_of_their_task_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lm = tiny_language_model()
    lm.model.save_pretrained(tmp_path / "model")
    lm.tokenizer.save_pretrained(tmp_path / "model")
    write_records(tmp_path / "train.jsonl", [replace(record, task="recent") for record in STREAM])
    others = [replace(STREAM[0], task="recent"), replace(STREAM[1], task="questions")]
    write_records(tmp_path / "development.jsonl", others)
    (tmp_path / "contexts.json").write_text(json.dumps({"contexts": CONTEXTS}))
    monkeypatch.setattr(instruct, "drafts_of", lambda name: {"recent": ["nowhere of [TOPIC]", "the city of [TOPIC]"]})
    monkeypatch.setattr(instruct, "UNTAUGHT", -1.0)  # two steps teach nothing
    options = QUICK["instructedit"] | {"iterations": 2, "tasks": ["recent"]}
    arguments = [
        "--model", str(tmp_path / "model"), "--records", str(tmp_path / "development.jsonl"), "--device", "cpu",
        "--train", str(tmp_path / "train.jsonl"), "--contexts", str(tmp_path / "contexts.json"), "--layer", "2",
        "--options", json.dumps(options), "--rounds", "1", "--edits", "1", "--out", str(tmp_path / "rounds.json"),
        "--sentences", str(tmp_path / "sentences.yaml"), "--drafter", str(tmp_path / "model"),
    ]  # fmt: skip
    assert main(["instruct", *arguments]) == 0
    tried = read_json(tmp_path / "rounds.json")["tried"]
    assert {one["task"] for one in tried} == {"recent"} and len(tried) == 2 * HELD_OUT
    assert [one["sentence"] for one in tried if one["new"]] == ["the city of [TOPIC]"], "of words that the model knows"
    chosen = yaml.safe_load((tmp_path / "sentences.yaml").read_text())["english"]["chosen"]
    assert chosen["budget"]["edits"] == 1 and chosen["sentences_tried"] == 10 and chosen["model"] == "model"


def test_trial_editors_that_edit_nothing_choose_nothing():
    instruct._require_edits({"recent": [1 / 3, 0.4], "convsent": [0.9, 0.9]})
    with pytest.raises(DataError, match="take no edit of recent, behind no sentence.*raise instructing.iterations"):
        instruct._require_edits({"recent": [1 / 3, 1 / 3], "convsent": [0.9, 0.9]})


def test_lines_of_a_drafting_model_are_sampled_by_a_seed():
    lm = tiny_language_model()
    first = write_lines(lm, "the city of", 4, 5, 0)
    assert first == write_lines(lm, "the city of", 4, 5, 0) != write_lines(lm, "the city of", 4, 5, 1)
    assert first and all("\n" not in line for line in first)
