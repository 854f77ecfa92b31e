"""Instructions in front of edits: their form, their slots, and which sentence is drawn."""

import re
from pathlib import Path

import pytest

from wise.datasets.factworld.build import VERSIONS
from wise.datasets.factworld.options import FactWorldOptions
from wise.errors import ConfigError, DataError
from wise.instructions.instruction import drawn, instructed, instruction
from wise.instructions.refinement import drafts_of
from wise.instructions.sentences import COUNT, HELD_OUT, read_wordings, wording
from wise.records import EditRecord, Probe

RECORD = EditRecord(
    "one",
    "The mayor of Port Hill is",
    "Ada Lorimer",
    "Port Hill",
    probes=(Probe("paraphrase", "Port Hill is led by", "Ada Lorimer"), Probe("locality_far", "Paris is in", "France")),
    task="recent",
)


def test_an_instruction_is_three_lines_and_ends_in_the_prompt():
    told = instruction(RECORD, 0, wording("english"))
    lines = told.before(RECORD.prompt).split("\n")
    assert lines[0] == "Task: recent" and lines[2] == "Input: The mayor of Port Hill is"
    assert lines[1].startswith("Description: ") and "Port Hill" in lines[1] and "[TOPIC]" not in lines[1]


def test_only_what_an_edit_changes_is_asked_behind_its_instruction():
    told = instructed(RECORD, HELD_OUT, wording("english"))
    assert [probe.prompt.startswith("Task: ") for probe in told.probes] == [True, False]
    assert told.target == RECORD.target and told.subject == RECORD.subject


@pytest.mark.parametrize("name", read_wordings())
def test_every_task_has_different_sentences_whose_slots_can_be_filled(name):
    for task in read_wordings()[name].tasks:
        record = EditRecord("x", "p", "t", "a topic", task=task, label="negative")
        texts = {instruction(record, index, wording(name)).before("p") for index in range(COUNT)}
        assert len(texts) == COUNT
        assert not any("[" in text for text in texts)


def test_the_embedded_model_knows_every_word_of_its_instructions():
    version = VERSIONS[2](FactWorldOptions())
    known = set(re.findall(r"\w+|[^\w\s]", " ".join(document.text for document in version.documents())))
    words = read_wordings()["factworld"]
    for task, described in words.tasks.items():
        drafts = drafts_of("factworld").get(task, ())
        said = " ".join(
            [*drafts, *words.heads, *words.labels.values(), words.unnamed, described.tag, *described.sentences]
        )
        said = said.replace("[TOPIC]", "").replace("[LABEL]", "")
        assert not set(re.findall(r"\w+|[^\w\s]", said)) - known, task


def test_the_held_out_sentence_is_never_drawn_and_the_others_all_are():
    records = [EditRecord(f"r{i}", "p", "t") for i in range(200)]
    chosen = [drawn(record, 0) for record in records]
    assert set(chosen) == set(range(HELD_OUT))
    assert chosen == [drawn(record, 0) for record in records] != [drawn(record, 1) for record in records]


def test_what_does_not_fit_is_named(tmp_path: Path):
    words = wording("english")
    with pytest.raises(ConfigError, match="unknown task 'recemt'. Did you mean 'recent'"):
        instruction(EditRecord("x", "p", "t", task="recemt"), 0, words)
    with pytest.raises(DataError, match="edit 'x': its 'label' is ''"):
        instruction(EditRecord("x", "p", "t", task="convsent"), 0, words)
    with pytest.raises(ConfigError, match="0 to 9, not 10"):
        instruction(RECORD, 10, words)
    with pytest.raises(ConfigError, match="unknown wording of instructions"):
        wording("french")
    broken = tmp_path / "sentences.yaml"
    broken.write_text("english: {heads: [a, b], labels: {}, tasks: {}}")
    with pytest.raises(DataError, match="english.heads"):
        read_wordings(broken)
