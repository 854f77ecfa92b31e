"""A stream through the grid: what is asked when, and that no chunk sees another's edits."""

from __future__ import annotations

import pytest

from tests.contract.test_editors import STREAM, ready
from wise.evaluate.ask import ask, before_by_question, generated, preedit_rows, questions_of
from wise.evaluate.grid import plan_runs
from wise.evaluate.stream import Stream, shuffled
from wise.evaluate.transcript import read_transcript, write_transcript


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
