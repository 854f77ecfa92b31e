"""Causal tracing: what comes back with a state, and which prompts can be traced."""

from __future__ import annotations

import pytest

from tests.models import tiny_language_model
from tests.tiny_edits import STREAM
from wise.cli import main
from wise.evaluate.tracing import known, trace
from wise.files import read_json
from wise.records import EditRecord, write_records

RECORDS = [EditRecord("one", "the person Ada was born in", "Port Hill", "Ada"), *STREAM]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_last_state_of_the_prompt_brings_all_back_and_no_noise_takes_nothing(family):
    lm = tiny_language_model(family)
    items = known(lm, RECORDS, 3)
    assert items[0].record == "one" and len(items) == 3
    rows = trace(lm, items, noise=5.0, samples=2, seed=0)
    deepest = max(row["layer"] for row in rows)
    last = [row for row in rows if (row["kind"], row["token"], row["layer"]) == ("state", "prompt_last", deepest)]
    assert all(row["effect"] == pytest.approx(row["total"], abs=1e-6) for row in last)
    assert any(abs(row["total"]) > 1e-5 for row in rows) and rows == trace(lm, items, 5.0, 2, 0)
    quiet = trace(lm, items[:1], noise=0.0, samples=1, seed=0)
    assert all(abs(row["effect"]) < 1e-6 and abs(row["total"]) < 1e-6 for row in quiet)


def test_prompts_that_the_model_does_not_answer_or_without_subject_are_left_out():
    lm = tiny_language_model()
    answer = lm.tokenizer.decode(known(lm, RECORDS, 1)[0].answer)
    wrong = "Port" if answer != "Port" else "Hill"
    records = [EditRecord(name, RECORDS[0].prompt, "x", "Ada", original=text) for name, text in
               (("right", answer), ("wrong", wrong))]  # fmt: skip
    records.append(EditRecord("other", "the person Ada was born in", "x", "Bo"))
    assert [item.record for item in known(lm, records, 9)] == ["right"]


def test_the_verb_writes_a_row_for_each_prompt_state_token_and_layer(tmp_path):
    lm = tiny_language_model()
    lm.model.save_pretrained(tmp_path / "model")
    lm.tokenizer.save_pretrained(tmp_path / "model")
    write_records(tmp_path / "edits.jsonl", RECORDS)
    words = ["trace", "--model", tmp_path / "model", "--records", tmp_path / "edits.jsonl", "--prompts", 2]
    assert main([*map(str, words), "--samples", "1", "--out", str(tmp_path / "traced.json")]) == 0
    document = read_json(tmp_path / "traced.json")
    assert document["prompts"] == 2 and len(document["rows"]) == 2 * 2 * 2 * lm.model.config.num_hidden_layers
