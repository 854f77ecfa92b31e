"""Whitened updates: edits that last. What an edit spares, what memories forget, and when a new one begins."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.models import tiny_language_model
from tests.side_memories import STREAM
from tests.tiny_edits import CONTEXTS
from tests.tiny_edits import STREAM as EDITS
from tests.unit.test_wise_whitening import made, metric_of
from wise.editors.registry import make_editor
from wise.editors.wise.update import Update
from wise.editors.wise.whitening import KEPT, released, sparing
from wise.evaluate.ask import ask, questions_of


def test_a_memory_spares_the_keys_of_its_edits():
    """Against the inverse of C + X^T X / r, written out."""
    editor = made()
    metric = metric_of(editor).double()
    keys, past = torch.randn(5, len(metric)).double(), torch.randn(3, len(metric)).double()
    torch.testing.assert_close(sparing(keys, metric, past[:0]), keys @ metric)
    r = KEPT * (past @ metric @ past.T).diagonal().mean()
    expected = torch.linalg.inv(torch.linalg.inv(metric) + past.T @ past / r)
    torch.testing.assert_close(sparing(keys, metric, past), keys @ expected, atol=1e-6, rtol=1e-4)
    assert torch.linalg.norm(sparing(past, metric, past)) < 0.2 * torch.linalg.norm(past @ metric)


def test_a_memory_forgets_another_ones_key_and_keeps_its_own():
    editor = made()
    metric = metric_of(editor)
    draw = torch.Generator().manual_seed(3)
    delta = torch.randn(editor.site.weight.shape, generator=draw)
    query, past = torch.randn(1, len(metric), generator=draw), torch.randn(2, len(metric), generator=draw)
    update = Update((delta,))
    after = released(update, query, metric, past).whole
    torch.testing.assert_close(query @ after.T, torch.zeros(1, len(delta)), atol=1e-4, rtol=0)
    careless = released(update, query, metric, past[:0]).whole
    moved, plain = past @ (after - delta).T, past @ (careless - delta).T
    assert torch.linalg.norm(moved) < 0.2 * torch.linalg.norm(plain)


def test_the_later_of_two_edits_of_one_prompt_answers():
    editor = made(capacity=1, steps=70, stop="separated")
    again = replace(STREAM[0], id="again", target=STREAM[1].target)
    editor.edit(STREAM[0])
    editor.edit(again)
    query = editor.bank.shards[0].queries
    old, new = (editor.tools.scores(query, served.delta).item() for served in editor.bank.served())
    assert old < 1e-3 * new
    question = next(each for each in questions_of(range(1), [again]) if each.probe.kind == "edit")
    (reply,) = ask(editor, [question])
    assert reply.answer.exact and reply.choice == "side 2"


def test_a_full_memory_is_followed_by_another():
    editor = made(capacity=2)
    for record in STREAM[:5]:
        editor.edit(record)
    assert [served.edits for served in editor.bank.served()] == [(0, 1), (2, 3), (4,)]


def test_memories_that_are_merged_hold_any_number():
    apart, merged = made(capacity=1), made(name="wise-merge")
    for editor in (apart, merged):
        for record in STREAM[:3]:
            editor.edit(record)
    assert [served.edits for served in apart.bank.served()] == [(0,), (1,), (2,)]
    assert [served.edits for served in merged.bank.served()] == [(0, 1, 2)]
    weight, tokens = merged.site.weight, sum(len(record.target.split()) for record in STREAM[:3])
    assert len(merged.bank.shards) == 1
    assert merged.extra_parameters() == weight.numel() + tokens * (weight.shape[1] + 1), "and where answers end"


@pytest.mark.parametrize("family", ["qwen3", "gpt2", "opt", "llama"])
def test_edits_take_and_stay_in_one_memory_on_models_of_any_family(family):
    editor = make_editor("wise-retrieve", tiny_language_model(family), 2, {"context_prefixes": 2}, CONTEXTS)
    editor.prepare(EDITS)
    questions = [question for question in questions_of(range(3), EDITS) if question.probe.kind == "edit"]
    taken = []
    for record, question in zip(EDITS, questions, strict=True):
        editor.edit(record)
        (reply,) = ask(editor, [question])
        taken.append(reply.answer.exact and reply.choice != "main")
    kept = [reply.answer.exact for reply in ask(editor, questions)]
    assert sum(taken) >= 2 and sum(kept) >= 2, (taken, kept)


def test_a_memory_saved_without_keys_is_restored_with_its_queries():
    editor, restored = made(), made()
    editor.edit(STREAM[0])
    state = {key: value for key, value in editor.state().items() if not key.endswith(".keys")}
    assert len(state) == len(editor.state()) - 1
    restored.restore(editor.edits, state)
    (shard,) = restored.bank.shards
    assert torch.equal(shard.keys, shard.queries)
