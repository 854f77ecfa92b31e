"""Side memories and their replay: sequences worked out by hand, then the editors that use them."""

from __future__ import annotations

from dataclasses import fields
from random import Random
from types import SimpleNamespace

import pytest
import torch

from tests.contract.test_editors import CONTEXTS, OTHERS, QUICK
from tests.models import tiny_language_model
from wise.editors.decision import Reading
from wise.editors.registry import make_editor
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise.blocks import UNSEEN, Blocks
from wise.editors.wise.merging import merge
from wise.editors.wise.replay import BatchReplay, History, query_replay
from wise.editors.wise.routing import Margins, Scope
from wise.editors.wise.turns import Memory, Turns, joined
from wise.errors import ConfigError
from wise.evaluate.ask import ask, questions_of
from wise.lm.batch import Batch, encode_prompts
from wise.records import EditRecord, Probe

FACTS = {
    "Ada was born in": "Port Hill",
    "Bo lives in the city of": "North West",
    "Cy works for": "East Hill",
    "Dee lives in": "South Port",
    "Eli was born in the city of": "West East",
    "Fay works for": "Hill North",
}
PROMPTS = list(FACTS)


def record(index: int) -> EditRecord:
    prompt, target = list(FACTS.items())[index]
    probes = (Probe("paraphrase", f"the person {prompt}", target), Probe("locality_far", OTHERS[index % 5], "South"))
    return EditRecord(f"edit-{index}", prompt, target, prompt.split()[0], OTHERS[index % 5], probes)


STREAM = [record(index) for index in range(len(PROMPTS))]


def edited(name: str, count: int, **options):
    editor = make_editor(name, tiny_language_model(), 2, QUICK[name] | {"steps": 8} | options, CONTEXTS)
    editor.prepare(STREAM)
    for item in STREAM[:count]:
        editor.edit(item)
    return editor


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


# turns

EMPTY = Memory(torch.zeros(1, 1), torch.empty(0, 1), torch.empty(0), torch.empty(0, dtype=torch.long))


def learn(turns: Turns, edit: int, merged: list | None = None) -> Turns:
    """Edit number e adds e to its shard."""

    def adding(deltas, index):
        if merged is not None:
            merged.append(index)
        return sum(deltas)

    index = turns.next()
    turns = turns.opened(index, lambda number: torch.tensor([number]), EMPTY)
    shard = turns.shards[index]
    learned = shard.learned(shard.delta + edit, torch.tensor([[float(edit)]]), torch.tensor(10.0 + edit), edit)
    return turns.learned(index, learned, adding)


def learn_all(turns: Turns, count: int, merged: list | None = None) -> Turns:
    for edit in range(count):
        turns = learn(turns, edit, merged)
    return turns


def holdings(memories) -> list[list[int]]:
    return [memory.edits.tolist() for memory in memories]


def test_edits_go_to_the_shards_in_turn():
    turns = learn_all(Turns(3, 0), 7)
    assert holdings(turns.shards) == holdings(turns.memories()) == [[0, 3, 6], [1, 4], [2, 5]]
    assert [shard.delta.item() for shard in turns.shards] == [9.0, 5.0, 7.0]
    assert turns.shards[0].queries.tolist() == [[0.0], [3.0], [6.0]]
    assert turns.shards[1].scores.tolist() == [11.0, 14.0]
    assert [mask.item() for mask in turns.masks] == [0, 1, 2], "every shard has a mask of its own"


def test_full_groups_become_one_memory_each():
    merged: list[int] = []
    turns = learn_all(Turns(2, group=4), 10, merged)
    assert holdings(turns.groups) == [[0, 2, 1, 3], [4, 6, 5, 7]] and holdings(turns.shards) == [[8], [9]]
    assert [group.delta.item() for group in turns.groups] == [6.0, 22.0]
    assert merged == [0, 1], "the number of the merging, for rules that draw"
    assert turns.groups[1].queries.flatten().tolist() == [4.0, 6.0, 5.0, 7.0]
    assert [mask.item() for mask in turns.masks] == [4, 5], "no mask is used again"
    assert holdings(turns.memories()) == [[0, 2, 1, 3], [4, 6, 5, 7], [8], [9]]


def test_undoing_takes_the_last_shard_then_the_last_group():
    turns, gone = learn_all(Turns(2, group=4), 10).without_last()
    assert gone == [9] and holdings(turns.memories()) == [[0, 2, 1, 3], [4, 6, 5, 7], [8]]
    turns, gone = turns.without_last()
    assert gone == [8]
    turns, gone = turns.without_last()
    assert sorted(gone) == [4, 5, 6, 7] and holdings(turns.memories()) == [[0, 2, 1, 3]]
    assert learn(turns, 4).masks[0].item() == 6, "masks go on where they were"


def test_undoing_renumbers_the_edits_that_stay():
    turns, gone = learn_all(Turns(2, 0), 5).without_last()
    assert gone == [1, 3] and holdings(turns.shards) == [[0, 1, 2]], "they were 0, 2 and 4"
    assert turns.shards[0].queries.flatten().tolist() == [0.0, 2.0, 4.0]


@pytest.mark.parametrize("count", [0, 1, 4, 7])
def test_turns_are_their_state(count):
    turns = learn_all(Turns(2, group=4), count)
    again = Turns(2, group=4).restored(turns.state())
    assert same(turns.state(), again.state())
    assert same(learn(turns, count).state(), learn(again, count).state())


def test_joining_keeps_what_all_knew():
    first, second = learn_all(Turns(2, 0), 5).shards
    one = joined([first, second], lambda deltas, index: deltas[0] * 10 + deltas[1] + index, 3)
    assert one.delta.item() == 60 + 4 + 3 and one.edits.tolist() == [0, 2, 4, 1, 3]


# blocks


def blocks(retrieve: bool, save_every: int = 2, merge_every: int = 4, weight: float = 1.0) -> Blocks:
    return Blocks(retrieve, save_every, merge_every, weight, torch.zeros(1))


class Adding:
    """A merging rule that adds, and remembers what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[float], list[float], int]] = []

    def __call__(self, deltas, weights, index):
        self.calls.append(([delta.item() for delta in deltas], [round(weight, 9) for weight in weights], index))
        return sum(weight * delta for weight, delta in zip(weights, deltas, strict=True))


def taught(memory: Blocks, merging: Adding, *edits: tuple[float, float]) -> Blocks:
    for delta, score in edits:
        memory = memory.opened(lambda number: torch.tensor(number)).learned(torch.tensor([delta]), score, merging)
    return memory


def test_blocks_of_the_merge_variant_by_hand():
    merging = Adding()
    one = taught(blocks(False), merging, (1.0, 5.0), (2.0, 4.0))
    assert [m.delta.item() for m in one.saved] == [2.0] and one.side.item() == 0 and one.mask is None
    assert one.least == 4.0, "the statistic goes on after a saving"
    two = taught(one, merging, (3.0, 6.0), (5.0, 7.0))
    assert merging.calls == [([2.0, 5.0], [0.5, 0.5], 0)]
    assert two.main.item() == 3.5 and two.saved == () and two.merges == 0 and two.mergings == 1
    three = taught(two, merging, (1.0, 9.0), (2.0, 8.0), (9.0, 9.0), (7.0, 3.0))
    assert merging.calls[1] == ([2.0, 7.0, 3.5], [0.2, 0.2, 0.6], 1), "an older main memory keeps most of the weight"
    assert three.main.item() == pytest.approx(1.8 + 2.1) and three.least == 3.0


def test_blocks_of_the_merge_variant_are_finished_before_they_answer():
    merging = Adding()
    early = taught(blocks(False), merging, (1.0, 5.0))
    assert early.finished(merging) is early, "not before the first saving is due"
    pending = taught(early, merging, (2.0, 4.0), (3.0, 6.0))
    done = pending.finished(merging)
    assert merging.calls == [([2.0, 3.0], [0.5, 0.5], 0)] and done.main.item() == 2.5
    assert done.side.item() == 0 and done.saved == () and done.mergings == 1
    assert pending.main is None and pending.side.item() == 3.0, "asking leaves no trace"
    later = taught(pending, merging, (5.0, 7.0), (4.0, 3.0)).finished(merging)
    assert merging.calls[-1] == ([4.0, 3.5], [0.4, 0.6], 1) and later.main.item() == pytest.approx(1.6 + 2.1)
    assert later.finished(merging) is later, "there is nothing left to merge"
    assert [(m.delta.item(), m.least) for m in done.answering()] == [(0.0, 4.0), (2.5, 4.0)]


def test_blocks_of_the_retrieve_variant_by_hand():
    merging = Adding()
    one = taught(blocks(True, weight=0.8), merging, (1.0, 5.0), (2.0, 4.0), (3.0, 6.0))
    assert [(m.delta.item(), m.least, m.edits) for m in one.saved] == [(2.0, 4.0, (0, 1))]
    assert (one.side.item(), one.least, one.open) == (3.0, 6.0, (2,)), "with a statistic of its own"
    assert [m.delta.item() for m in one.answering()] == [3.0, 2.0], "the open memory is asked first"
    two = taught(one, merging, (5.0, 7.0))
    assert merging.calls == [([2.0, 5.0], [0.4, 0.4], 0)]
    (group,) = two.saved
    assert (group.delta.item(), group.least, group.edits) == (pytest.approx(2.8), 4.0, (0, 1, 2, 3))
    assert two.least == UNSEEN and two.merges == 1 and two.count == 4 and two.finished(merging) is two
    four = taught(two, merging, (1.0, 2.0), (1.0, 3.0), (4.0, 1.5), (4.0, 9.0))
    assert [(m.least, m.edits) for m in four.saved] == [(4.0, (0, 1, 2, 3)), (1.5, (4, 5, 6, 7))]
    assert four.merges == 2 and four.drawn == 4


def test_merging_between_two_savings_starts_the_open_memory_anew():
    memory = taught(blocks(True, 2, 5), Adding(), *[(float(i), 10.0 - i) for i in range(1, 6)])
    assert (memory.side.item(), memory.least) == (0.0, 5.0), "its score stays in the statistic"
    assert [(m.delta.item(), m.least) for m in memory.saved] == [(0.5 * 2 + 0.5 * 4, 6.0)]


@pytest.mark.parametrize("retrieve", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_blocks_are_their_state(retrieve, count):
    memory = taught(blocks(retrieve), Adding(), *[(float(i), 9.0 - i) for i in range(count)])
    again = blocks(retrieve).restored(memory.state())
    assert same(memory.state(), again.state())
    for field in fields(Blocks):
        if field.name not in ("side", "main", "mask", "saved"):
            assert getattr(memory, field.name) == getattr(again, field.name), field.name
    assert [m.edits for m in memory.saved] == [m.edits for m in again.saved]


# replay


def batch(number: int) -> Batch:
    return Batch(*(torch.tensor([[number]]) for _ in range(2)), *(torch.tensor([number]) for _ in range(2)))


def history(sizes: tuple[int, ...]) -> History:
    """Groups of these sizes, the last one open; batches are numbered throughout."""
    kept, number = History(), 0
    for index, size in enumerate(sizes):
        for _ in range(size):
            kept, number = kept.added(batch(number)), number + 1
        kept = kept.merged() if index + 1 < len(sizes) else kept
    return kept


def replayed(past: History, calls: int, seed: int = 42) -> tuple[list[int], BatchReplay]:
    """Numbers of the batches that were read, in order; batch number n scores n."""
    read: list[int] = []

    def scope(one: Batch) -> SimpleNamespace:
        number = int(one.input_ids)
        read.append(number)
        return SimpleNamespace(scores=lambda delta, activation: torch.tensor([float(number)]))

    replay = BatchReplay(past, scope, Random(seed), None)
    for _ in range(calls):
        replay(torch.zeros(1))
    return read, replay


def test_replay_goes_through_every_group_and_begins_again():
    read, replay = replayed(history((2, 3, 2)), 5)
    assert [read[i : i + 2] for i in range(0, 15, 3)] == [[0, 2], [1, 3], [0, 4], [1, 2], [0, 3]]
    draw = Random(42)
    assert read[2::3] == [draw.choice([5, 6]) for _ in range(5)]
    assert replay.after().used == ((True, False), (True, True, False)), "the next edit goes on from here"
    read, _ = replayed(replay.after(), 1)
    assert read[:2] == [1, 4]


def test_replay_terms_by_hand():
    _, replay = replayed(history((8, 1)), 7)
    down, up = replay(torch.zeros(1))  # batch 7 of the group, 8 of the current one
    assert (down.item(), up.item()) == (7 - 5, 20 - 8)
    _, replay = replayed(history((1, 1)), 0)
    assert [term.item() for term in replay(torch.zeros(1))] == [0.0, 19.0]


@pytest.mark.parametrize("sizes", [(0,), (2,), (2, 3, 0), (2, 1, 4)])
def test_history_is_its_state(sizes):
    past = replayed(history(sizes), 1)[1].after() if sizes[-1] and len(sizes) > 1 else history(sizes)
    again = History.restored(past.state())
    assert same(past.state(), again.state()) and again.used == past.used


def test_query_replay_by_hand():
    def scope(*scores: float) -> Scope:
        inner = torch.tensor(scores)[:, None, None]
        return Scope(inner, inner, torch.ones(len(scores), 1))

    delta = torch.ones(1, 1)  # a query of one feature scores its value
    own, others = scope(12.0, 26.0), scope(4.0, 7.0, 9.0)
    terms = query_replay(own, others, Margins(5.0, 20.0, 10.0), weight=0.5)(delta)
    assert [term.item() for term in terms] == [0.5 * 8 / 2, 0.5 * (2 + 4) / 3]
    assert query_replay(None, None, Margins(5.0, 20.0, 10.0), 1.0)(delta) == []


# editors


@pytest.mark.parametrize("masks", ["bernoulli", "disjoint"])
def test_updates_stay_inside_their_masks(masks):
    editor = edited("wise-retrieve", 3, rho=0.4, shards=2, masks=masks)
    turns = editor._memory
    for shard, mask in zip(turns.shards, turns.masks, strict=True):
        assert shard.delta.count_nonzero() > 0 and not shard.delta[~mask].any()
    common = (turns.masks[0] & turns.masks[1]).double().mean().item()
    assert common == 0 if masks == "disjoint" else abs(common - 0.16) < 0.05


def test_many_groups_answer_apart_each_by_its_own_threshold():
    editor = edited("wise-retrieve", 5, group=2, shards=2, act_ratio=0.9)
    served = editor.served()
    assert [memory.edits for memory in served] == [(0, 1), (2, 3), (4,)]
    queries = pooled_prompts(editor, PROMPTS[:5], "last")
    for memory in served:
        scores = editor._query_scope(queries[list(memory.edits)]).scores(memory.delta)
        assert memory.threshold.item() == pytest.approx(0.9 * scores.min().item(), rel=1e-4)
    assert [editor.holder(f"edit-{i}") for i in range(6)] == [1, 1, 2, 2, 3, 0]
    shards = edited("wise-retrieve", 1, group=0, shards=2)._memory.shards
    assert torch.equal(edited("wise-retrieve", 1, group=2, shards=2)._memory.shards[0].delta, shards[0].delta)


def test_a_group_is_the_merging_of_its_shards():
    groups = edited("wise-retrieve", 2, group=2, shards=2, merge="linear").served()
    shards = edited("wise-retrieve", 2, group=0, shards=2).served()
    assert torch.allclose(groups[0].delta, (shards[0].delta + shards[1].delta) / 2)


def test_the_memory_of_largest_score_answers_among_the_accepted():
    editor = edited("wise-retrieve", 4, shards=3)
    frozen = editor.frozen(encode_prompts(editor.lm, PROMPTS + OTHERS))
    reading, served = Reading.of(frozen), editor.served()
    scores = torch.stack([editor._query_scope(reading.query()).scores(memory.delta) for memory in served], 1)
    routing = editor.decide(reading)
    for row, choice in enumerate(routing.choice.tolist()):
        accepted = [i for i, memory in enumerate(served) if scores[row, i] >= memory.threshold]
        assert choice == (max(accepted, key=lambda i: scores[row, i]) + 1 if accepted else 0)
    assert (routing.choice[:4] > 0).all(), "every edit prompt reaches a side memory"
    assert ((routing.score >= routing.threshold) == (routing.choice > 0)).all()


def test_the_merge_variant_serves_one_memory():
    merged, apart = edited("wise-merge", 3, shards=2), edited("wise-retrieve", 3, shards=2)
    assert len(merged.served()) == 1 and len(apart.served()) == 2
    expected = merge([memory.delta for memory in apart.served()], "ties", merged.config.density)
    assert torch.allclose(merged.served()[0].delta, expected)
    assert merged.served()[0].edits == (0, 2, 1) and merged.holder("edit-1") == 1
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
    editor = make_editor("wise-retrieve", tiny_language_model(), 2, {"steps": 3, "shards": 2, "replay": True}, CONTEXTS)
    editor.prepare(STREAM)
    seen: list[list[int]] = []
    editor.watch = lambda iteration, terms: seen[-1].append(len(terms))
    for item in STREAM[:4]:
        seen.append([])
        editor.edit(item)
    assert [set(counts) for counts in seen] == [{0}, {1}, {2}, {2}], "own past edits and others', as far as there are"


def test_replay_keeps_the_edits_of_other_memories_out():
    def scores(replay: bool) -> tuple[float, float]:
        """Of the first edit in both memories."""
        editor = edited("wise-retrieve", 2, shards=2, lr=20.0, steps=20, stop="never", replay=replay)
        first = editor._query_scope(pooled_prompts(editor, PROMPTS[:1], "last"))
        return tuple(first.scores(memory.delta).item() for memory in editor.served())

    with_replay, without = scores(True), scores(False)
    assert with_replay[0] == without[0], "there was nothing to replay"
    assert with_replay[1] < 0.7 * without[1]


def test_undoing_a_shard_of_an_editor():
    editor = edited("wise-retrieve", 5, shards=2)
    assert [item.id for item in editor.undo("shard")] == ["edit-1", "edit-3"]
    assert [item.id for item in editor.edits] == ["edit-0", "edit-2", "edit-4"] and editor.holder("edit-2") == 1
    assert torch.equal(editor.served()[0].delta, edited("wise-retrieve", 5, shards=2).served()[0].delta)
    assert len(editor.undo("shard")) == 3 and not editor.edits and not editor._hooks
    with pytest.raises(ConfigError, match="no edits to undo"):
        editor.undo("shard")
