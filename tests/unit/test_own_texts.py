"""What edits and training records lack is found or written by the model, and nothing that is there is touched."""

from __future__ import annotations

import logging

import pytest

from tests.models import tiny_language_model
from wise.commands.loading import read_training
from wise.editors.registry import make_editor
from wise.editors.shared.own_texts import FEWEST, completed, training_records
from wise.errors import DataError
from wise.lm.pseudo_edits import readable
from wise.lm.vocabulary import require_fitting
from wise.records import EditRecord, Probe

PLAIN = [EditRecord("a", "the city Port Hill was born in", "North"), EditRecord("b", "the person lives in", "South")]
WHOLE = [EditRecord(f"t{i}", "Ada lives in", "Hill", "Ada", irrelevant="Bo works for Cy") for i in range(FEWEST)]


@pytest.fixture(scope="module")
def lm():
    return tiny_language_model("llama")


def test_records_that_suffice_stay_as_they_are(lm):
    assert training_records(lm, WHOLE) == WHOLE
    editor = make_editor("wise-retrieve", lm, 2, {}, [], 0)
    edits = [record for record in WHOLE]
    assert completed(editor, edits, WHOLE) == (edits, WHOLE)
    assert completed(make_editor("ft-l", lm, 2, {}, [], 0), PLAIN, []) == (PLAIN, [])


def test_irrelevant_texts_and_training_records_are_the_models_own(lm, caplog):
    caplog.set_level(logging.INFO)
    edits, train = completed(make_editor("wise-retrieve", lm, 2, {}, [], 0), PLAIN, [])
    assert len(train) > FEWEST and all(record.irrelevant for record in (*edits, *train))
    assert [(r.id, r.prompt, r.target) for r in edits] == [(r.id, r.prompt, r.target) for r in PLAIN]
    assert "the model writes" in caplog.text and "2 edits have no 'irrelevant' text" in caplog.text
    kl, _ = completed(make_editor("ft-l", lm, 2, {"kl": 0.1}, [], 0), PLAIN, WHOLE)
    assert {record.irrelevant for record in kl} == {WHOLE[0].irrelevant}


def test_a_subject_is_found_where_the_editor_needs_one(lm, caplog):
    caplog.set_level(logging.INFO)
    edits, _ = completed(make_editor("rome", lm, 2, {"token": "subject_last"}, [], 0), PLAIN, WHOLE)
    assert [record.subject for record in edits] == ["Port Hill", "in"]
    assert "edit 'a': subject 'Port Hill'" in caplog.text and "edit 'b': no subject was found" in caplog.text


def test_an_empty_file_of_training_records_holds_none(tmp_path):
    (tmp_path / "train.jsonl").touch()
    assert read_training(tmp_path / "train.jsonl") == []
    with pytest.raises(DataError, match="no such file"):
        read_training(tmp_path / "nothing.jsonl")


def test_every_edit_that_the_model_cannot_work_with_is_named(lm, caplog):
    long = Probe("paraphrase", "the " * lm.context_length, "Hill")
    bad = [PLAIN[0], EditRecord("c", "the city is", "Gotham City"), EditRecord("d", "Ada was", "Hill", probes=(long,))]
    with pytest.raises(DataError) as raised:
        require_fitting(lm, bad)
    message = str(raised.value)
    assert "2 texts of these edits" in message and "edit 'c': the target 'Gotham City'" in message
    assert "'<unk>' for 'Gotham', 'City'" in message and "edit 'd', probe 0: prompt 'the the" in message
    require_fitting(lm, PLAIN)
    assert not caplog.records
    require_fitting(lm, [*PLAIN, EditRecord("e", "the mayor of Gotham is", "Hill")])
    assert "1 prompts, the first of edit 'e'" in caplog.text


def test_broken_samples_are_left_out_unless_there_are_hardly_others(lm):
    whole = [f"Ada lives in {word}" for word in ("North", "South", "East", "West", "Port", "Hill", "city", "person")]
    broken = ["the " * length for length in (30, 40)]
    assert readable(lm, [*broken, *whole], 4) == whole
    assert readable(lm, [*broken, *whole[:7]], 4) == [broken[0], *whole[:7]], "the least broken one"
    assert readable(lm, [], 4) == []
