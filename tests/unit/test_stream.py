"""A stream through the grid: what is asked when, and that no chunk sees another's edits."""

from __future__ import annotations

import logging
from itertools import product

import pytest
import torch

from tests.tiny_edits import STREAM, ready
from wise.errors import EditError
from wise.evaluate.ask import ask, before_by_question, generated, preedit_rows, questions_of
from wise.evaluate.checkpoint import Checkpoints
from wise.evaluate.grid import plan_runs
from wise.evaluate.stream import Stream, shuffled
from wise.evaluate.transcript import read_transcript, write_transcript
from wise.tracking.run_record import edit_cost


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    path = tmp_path_factory.mktemp("preedit") / "answers.parquet"
    write_transcript(path, preedit_rows(ready("none").lm, STREAM, generate=True))
    return before_by_question(read_transcript(path))


def run(name, before, grid, generate=False):
    stream = Stream(ready(name), STREAM, before, generate=generate)
    stream.carry_out(plan_runs(grid, len(STREAM)))
    return stream


def test_rows_cover_the_grid(before):
    result = run("wise-retrieve", before, {1: 3, 3: 1}, generate=True)
    questions = len(list(STREAM[0].questions()))
    counts = {}
    for row in result.rows:
        counts[row["T"], row["chunk"]] = counts.get((row["T"], row["chunk"]), 0) + 1
    assert counts == {(1, 0): questions, (1, 1): questions, (1, 2): questions, (3, 0): 3 * questions}
    ages = {row["edit"]: row["age"] for row in result.rows if row["T"] == 3}
    assert ages == {0: 2, 1: 1, 2: 0}
    assert len(result.curve) == 3 + 1 + 1, "the chunk of T = 1 at the start shares its edit with T = 3"
    for row in result.rows:
        assert (row["generated"] is not None) == (row["kind"] == "edit")
        assert len(row["nll"]) == len(row["target_tokens"]) == len(row["before_tokens"])


@pytest.mark.parametrize("name", ["ft-l", "grace", "wise-merge"])
def test_chunks_do_not_see_each_other(name, before):
    """Chunk 2 of T = 1 inside a run through everything equals an editor that made that edit alone."""
    rows = [row for row in run(name, before, {1: 3, 3: 1}).rows if (row["T"], row["chunk"]) == (1, 2)]
    editor = ready(name)
    editor.edit(STREAM[2])
    for row, reply in zip(rows, ask(editor, questions_of([2], STREAM)), strict=True):
        assert row["predicted_tokens"] == reply.answer.predicted_tokens
        assert row["nll"] == pytest.approx(reply.answer.nll, abs=1e-5)


def test_the_unedited_editor_says_what_was_said_before(before):
    for row in run("none", before, {3: 1}).rows:
        assert row["predicted_tokens"] == row["before_tokens"]
        assert row["nll"] == pytest.approx(row["before_nll"], abs=1e-5)


def test_longest_run_leaves_its_memory(before):
    editor = run("wise-merge", before, {1: 3, 3: 1}).editor
    assert [record.id for record in editor.edits] == [record.id for record in STREAM]


def test_seeds_order_the_same_edits():
    orders = [[record.id for record in shuffled(STREAM * 1, 3, seed)] for seed in range(8)]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert orders[3] == [record.id for record in shuffled(STREAM, 3, 3)]


def test_free_answers_are_asked_for_edit_prompts_only():
    editor = ready("none")
    texts = generated(editor.lm, questions_of(range(3), STREAM))
    assert set(texts) == {record.prompt for record in STREAM}


def failing(stream: Stream, record_id: str) -> Stream:
    """The same stream, whose loss is NaN whenever the record is learned."""
    editor, make = stream.editor, stream.editor.edit_all
    head = getattr(editor, "answering", editor.lm).model.get_output_embeddings().weight

    def edit_all(records, report):
        if record_id not in [record.id for record in records]:
            return make(records, report)
        kept = head.clone()
        head.fill_(float("nan"))
        try:
            return make(records, report)
        finally:
            head.copy_(kept)

    editor.edit_all = edit_all
    return stream


@pytest.mark.parametrize("name", ["ft-l", "grace", "defer", "memit", "retrieval", "wise-retrieve"])
def test_a_skipped_edit_is_one_that_did_not_take(name, before, caplog):
    stream = failing(Stream(ready(name), STREAM, before, on_nan="skip"), "edit-1")
    stream.carry_out(plan_runs({1: 2, 3: 1}, 3))
    other = ready(name)
    other.edit(STREAM[0])
    other.edit(STREAM[2])
    state = other.memory()
    assert all(torch.equal(value, state[key]) for key, value in stream.editor.memory().items())
    assert [record.id for record in stream.editor.edits] == ["edit-0", "edit-2"]
    failures = [entry for entry in stream.curve if "failed" in entry]
    assert [(entry["edit"], entry["T_chunk"], entry["iterations"], entry["loss"]) for entry in failures] == [
        (1, 1, None, None), (1, 2, None, None),
    ]  # fmt: skip
    assert all(entry["failed"] is True and "edit-1" in entry["message"] for entry in failures)
    assert stream.failed() == 2 and caplog.text.count("edit 1 of the stream (record 'edit-1') failed") == 2
    rows = {(row["T"], row["edit"]) for row in stream.rows}
    assert rows == {(1, 0), (1, 1), *product([3], range(3))}
    for row in stream.rows:
        if row["T"] == 1 and row["edit"] == 1:  # nothing else is in the memory
            assert row["nll"] == pytest.approx(row["before_nll"], abs=1e-5)


@pytest.mark.parametrize("name", ["memit-mass", "locft-bf"])
def test_where_edits_are_learned_together_the_call_fails(name, before):
    stream = failing(Stream(ready(name), STREAM, before, on_nan="skip"), "edit-1")
    stream.carry_out(plan_runs({1: 1, 2: 1, 3: 1}, 3))
    assert [(entry["edit"], entry["T_chunk"], "failed" in entry) for entry in stream.curve] == [
        (0, 1, False), (1, 2, True), (1, 3, True), (2, 3, True),
    ]  # fmt: skip
    other = ready(name)
    other.edit(STREAM[0])
    state = other.memory()
    assert all(torch.equal(value, state[key]) for key, value in stream.editor.memory().items())
    assert [record.id for record in stream.editor.edits] == ["edit-0"]


def test_a_failed_edit_ends_the_stream_behind_a_checkpoint(before, tmp_path, caplog):
    grid = plan_runs({3: 1}, 3)
    stream = failing(Stream(ready("ft-l"), STREAM, before, checkpoints=Checkpoints(tmp_path, 50, {})), "edit-2")
    with pytest.raises(EditError, match=r"ft-l: edit 2 of the stream \(record 'edit-2'\) failed: .*became nan"):
        stream.carry_out(grid)
    assert not torch.isnan(stream.editor.memory()["weight"]).any()
    again = Stream(ready("ft-l"), STREAM, before, on_nan="skip", checkpoints=Checkpoints(tmp_path, 1, {}))
    with caplog.at_level(logging.INFO):
        failing(again, "edit-2").carry_out(grid)
    assert "resuming after edit 2" in caplog.text and again.failed() == 1
    assert torch.equal(again.editor.memory()["weight"], stream.editor.memory()["weight"])
    anew = Stream(ready("ft-l"), STREAM, before, checkpoints=Checkpoints(tmp_path, 1, {}))
    anew.carry_out(grid)
    assert anew.failed() == 0 and "skipped edits that failed; starting anew" in caplog.text


def test_cost_counts_steps_of_edits_that_were_made():
    made, failed = {"seconds": 1.0, "iterations": 4}, {"seconds": 3.0, "iterations": None, "failed": True}
    cost = edit_cost([made, failed], 0.0, 0, 1)
    assert (cost["edit_seconds_total"], cost["iterations_mean"]) == (4.0, 4.0)
    assert edit_cost([failed], 0.0, 0, 1)["iterations_mean"] is None


def test_an_editor_may_put_questions_in_its_own_words(before, monkeypatch):
    """Then the unedited model is asked in the same words; other questions keep the answers that are known."""
    editor = ready("none")
    monkeypatch.setattr(
        editor,
        "asked",
        lambda record, probe: f"It is said: {probe.prompt}" if probe.kind == "edit" else probe.prompt,
    )
    stream = Stream(editor, STREAM, before)
    stream.carry_out(plan_runs({1: 2}, len(STREAM)))
    for row in stream.rows:
        assert row["before_nll"] == pytest.approx(row["nll"], abs=1e-5), "nothing was edited"
        same = list(before[row["record"], row["probe"]]["before_nll"]) == list(row["before_nll"])
        assert same == (row["kind"] != "edit")
