"""Side memories as the editors use them: masks, groups, merging, choice, oracle, replay and undoing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.side_memories import PROMPTS, STREAM, edited, watched
from tests.tiny_edits import OTHERS
from wise.editors.decision import Reading
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise.merging import merge
from wise.errors import ConfigError
from wise.evaluate.ask import ask, questions_of
from wise.lm.batch import encode_prompts


@pytest.mark.parametrize("masks", ["bernoulli", "disjoint"])
def test_updates_stay_inside_their_masks(masks):
    editor = edited("wise-retrieve", 3, rho=0.4, shards=2, masks=masks)
    turns = editor.bank
    for shard, mask in zip(turns.shards, turns.masks, strict=True):
        assert shard.delta.count_nonzero() > 0 and not shard.delta[~mask].any()
    common = (turns.masks[0] & turns.masks[1]).double().mean().item()
    assert common == 0 if masks == "disjoint" else abs(common - 0.16) < 0.05


def test_many_groups_answer_apart_each_by_its_own_threshold():
    editor = edited("wise-retrieve", 5, group=2, shards=2, act_ratio=0.9)
    served = editor.bank.served()
    assert [memory.edits for memory in served] == [(0, 1), (2, 3), (4,)]
    queries = pooled_prompts(editor, PROMPTS[:5], "last")
    for memory in served:
        scores = editor.tools.scope(queries[list(memory.edits)]).scores(memory.delta)
        assert memory.threshold.item() == pytest.approx(0.9 * scores.min().item(), rel=1e-4)
    assert [editor.holder(f"edit-{i}") for i in range(6)] == [1, 1, 2, 2, 3, 0]
    shards = edited("wise-retrieve", 1, group=0, shards=2).bank.shards
    assert torch.equal(edited("wise-retrieve", 1, group=2, shards=2).bank.shards[0].delta, shards[0].delta)


def test_a_group_is_the_merging_of_its_shards():
    groups = edited("wise-retrieve", 2, group=2, shards=2, merge="linear").bank.served()
    shards = edited("wise-retrieve", 2, group=0, shards=2).bank.served()
    assert torch.allclose(groups[0].delta, (shards[0].delta + shards[1].delta) / 2)


def test_the_memory_of_largest_score_answers_among_the_accepted():
    editor = edited("wise-retrieve", 4, shards=3)
    frozen = editor.frozen(encode_prompts(editor.lm, PROMPTS + OTHERS))
    reading, served = Reading.of(frozen), editor.bank.served()
    scores = torch.stack([editor.tools.scope(reading.query()).scores(memory.delta) for memory in served], 1)
    routing = editor.decide(reading)
    for row, choice in enumerate(routing.choice.tolist()):
        accepted = [i for i, memory in enumerate(served) if scores[row, i] >= memory.threshold]
        assert choice == (max(accepted, key=lambda i: scores[row, i]) + 1 if accepted else 0)
    assert (routing.choice[:4] > 0).all(), "every edit prompt reaches a side memory"
    assert ((routing.score >= routing.threshold) == (routing.choice > 0)).all()


def test_the_merge_variant_serves_one_memory():
    merged, apart = edited("wise-merge", 3, shards=2), edited("wise-retrieve", 3, shards=2)
    assert len(merged.bank.served()) == 1 and len(apart.bank.served()) == 2
    expected = merge([memory.delta for memory in apart.bank.served()], "ties", merged.config.density)
    assert torch.allclose(merged.bank.served()[0].delta, expected)
    assert merged.bank.served()[0].edits == (0, 2, 1) and merged.holder("edit-1") == 1
    assert 2 * merged.extra_parameters() == apart.extra_parameters() == 2 * merged.site.weight.numel()


def test_an_oracle_finds_the_memory_that_holds_the_edit():
    editor = edited("wise-retrieve", 5, group=2, shards=2)
    questions = questions_of(range(6), STREAM)
    for question, reply in zip(questions, ask(editor, questions, oracle=True), strict=True):
        holder = 0 if question.probe.kind == "locality_far" else editor.holder(question.record.id)
        assert reply.choice == (f"side {holder}" if holder else "main"), question
    routed = [reply.choice for reply in ask(editor, questions)]
    assert "side 1" in routed and routed != [reply.choice for reply in ask(editor, questions, oracle=True)]


def test_replay_enters_once_there_are_past_edits():
    editor, passes = watched("wise-retrieve", steps=3, shards=2, replay=True)
    for item in STREAM[:4]:
        editor.edit(item)
    counts = [{terms for _, terms in edit} for edit in passes]
    assert counts == [{0}, {1}, {2}, {2}], "own past edits and others', as far as there are"


def test_replay_keeps_the_edits_of_other_memories_out():
    def scores(replay: bool) -> tuple[float, float]:
        """Of the first edit in both memories."""
        editor = edited("wise-retrieve", 2, shards=2, lr=20.0, steps=20, stop="never", replay=replay)
        first = editor.tools.scope(pooled_prompts(editor, PROMPTS[:1], "last"))
        return tuple(first.scores(memory.delta).item() for memory in editor.bank.served())

    with_replay, without = scores(True), scores(False)
    assert with_replay[0] == without[0], "there was nothing to replay"
    assert with_replay[1] < 0.7 * without[1]


def test_undoing_a_shard_of_an_editor():
    editor = edited("wise-retrieve", 5, shards=2)
    assert [item.id for item in editor.undo("shard")] == ["edit-1", "edit-3"]
    assert [item.id for item in editor.edits] == ["edit-0", "edit-2", "edit-4"] and editor.holder("edit-2") == 1
    assert torch.equal(editor.bank.served()[0].delta, edited("wise-retrieve", 5, shards=2).bank.served()[0].delta)
    assert len(editor.undo("shard")) == 3 and not editor.edits and not editor._hooks
    with pytest.raises(ConfigError, match="no edits to undo"):
        editor.undo("shard")


def test_what_was_measured_of_a_memory_is_kept_while_it_stays_as_it_is():
    editor, made = edited("wise-retrieve", 0, convention="whitened", capacity=1), []
    for item in STREAM[:4]:
        editor.edit(item)
        served = editor.bank.served()
        fresh = editor.bank.restored(editor.bank.state()).served()
        assert [memory.threshold for memory in served] == [memory.threshold for memory in fresh]
    memory, beside = editor.bank.shards[0], torch.zeros(1)
    for tensor in (beside, beside, torch.zeros(1)):
        memory.once("told", tensor, lambda: made.append(1) or torch.ones(1))
    replace(memory).once("told", beside, lambda: made.append(1) or torch.ones(1))
    assert len(made) == 3, "anew beside another tensor, and for another memory"


def test_a_memory_that_was_released_from_its_edit_answers_nothing_else():
    editor = edited("wise-retrieve", 2, convention="whitened", capacity=1, scope="activation")
    before = editor.bank.served()[0].threshold
    editor.edit(replace(STREAM[0], id="again", target="South Port"))
    thresholds = [memory.threshold for memory in editor.bank.served()]
    assert thresholds[0] == torch.inf > before and all(t.isfinite() and t > 0 for t in thresholds[1:])
    unrelated = Reading.of(editor.frozen(encode_prompts(editor.lm, OTHERS)))
    own = Reading.of(editor.frozen(encode_prompts(editor.lm, PROMPTS[:2])))
    assert not (editor.decide(unrelated).choice == 1).any() and editor.decide(own).choice.tolist() == [3, 2]
