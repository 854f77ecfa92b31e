"""Banks of side memories: sequences of edits that were worked out by hand."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from tests.side_memories import ByHand, edit_number, holdings, learn, learn_all, same, taught
from wise.editors.base import EditOutcome
from wise.editors.wise.memories import BANKS, Sequential
from wise.editors.wise.memories.round_robin import joined
from wise.editors.wise.memories.sequential import UNSEEN
from wise.editors.wise.training import Trained
from wise.errors import ConfigError, EditError

# what every bank does

banks = pytest.mark.parametrize("kind", BANKS)
variants = pytest.mark.parametrize("retrieve", [True, False], ids=["retrieve", "merge"])


def bank_of(kind: str, retrieve: bool, **options):
    return BANKS[kind].empty(ByHand(**options), retrieve)


@banks
@variants
def test_an_empty_bank_serves_nothing(kind, retrieve):
    assert not bank_of(kind, retrieve).served()


@banks
@variants
@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_every_edit_is_served_with_a_threshold_from_its_own_score(kind, retrieve, count):
    served = learn_all(bank_of(kind, retrieve), count).served()
    holding = [memory for memory in served if memory.edits]
    assert {edit for memory in served for edit in memory.edits} == set(range(count))
    assert retrieve or kind == "sequential" or len(served) == 1
    for memory in holding:
        least = min(10 + edit for edit in memory.edits)
        assert memory.delta.shape == (1, 1) and memory.threshold.item() == pytest.approx(0.5 * least, rel=2e-5)


@banks
@variants
def test_a_bank_is_a_value_that_learning_and_asking_leave_alone(kind, retrieve):
    first = learn_all(bank_of(kind, retrieve), 3)
    before = {name: tensor.clone() for name, tensor in first.state().items()}
    served = first.served()
    assert first.served() is served, "derived once"
    after = learn(first, 3)
    assert same(first.state(), before) and first.served() is served and not same(after.state(), before)
    quiet = learn(learn_all(bank_of(kind, retrieve), 3), 3)
    assert same(after.state(), quiet.state()), "asked in between, or not"


@banks
@variants
def test_training_that_fails_leaves_the_bank_as_it_was(kind, retrieve):
    bank = learn_all(bank_of(kind, retrieve), 2)
    before = bank.state()

    def fail(*_args):
        raise EditError("no")

    with pytest.raises(EditError):
        bank.learn(edit_number(2), fail)
    assert same(bank.state(), before)


@banks
@variants
@pytest.mark.parametrize("count", [0, 1, 4, 7])
def test_a_bank_is_its_state(kind, retrieve, count):
    bank = learn_all(bank_of(kind, retrieve), count)
    again = bank_of(kind, retrieve).restored(bank.state())
    assert same(bank.state(), again.state())
    for field in fields(bank):
        mine, restored = getattr(bank, field.name), getattr(again, field.name)
        if isinstance(mine, int | float):
            assert mine == restored, field.name
    assert holdings(bank.served()) == holdings(again.served())
    assert same(learn(bank, count).state(), learn(again, count).state())


@banks
def test_every_new_memory_has_a_mask_of_its_own(kind):
    used: list[int] = []

    def train(_edit, delta, mask, _replay):
        used.append(mask.item())
        return Trained(EditOutcome(1, 0.0), delta + 1, torch.tensor(1.0))

    bank = bank_of(kind, True)
    for edit in range(8):
        bank, _ = bank.learn(edit_number(edit), train)
    expected = {"round_robin": [0, 1, 0, 1, 2, 3, 2, 3], "sequential": [0, 0, 1, 1, 2, 2, 3, 3]}
    assert used == expected[kind]


@banks
def test_the_largest_accepted_score_is_chosen(kind):
    bank = learn_all(bank_of(kind, True), 3)
    scores = torch.tensor([[1.0, 2.0], [1.0, 9.0], [9.0, 8.0], [4.0, 4.0]])
    assert bank.choose(scores, torch.tensor([3.0, 5.0])).tolist() == [0, 2, 1, 1]


def test_a_later_memory_must_beat_the_open_one_in_the_released_code():
    scores, thresholds = torch.tensor([[4.0, 3.0]]), torch.tensor([5.0, 2.0])
    assert bank_of("sequential", True).choose(scores, thresholds).tolist() == [0]
    assert bank_of("round_robin", True).choose(scores, thresholds).tolist() == [2]


# round robin


def test_edits_go_to_the_shards_in_turn():
    turns = learn_all(bank_of("round_robin", True, shards=3, group=0), 7)
    assert holdings(turns.shards) == holdings(turns.memories()) == [[0, 3, 6], [1, 4], [2, 5]]
    assert [shard.delta.item() for shard in turns.shards] == [9.0, 5.0, 7.0]
    assert turns.shards[0].queries.tolist() == [[0.0], [3.0], [6.0]]
    assert turns.shards[1].scores.tolist() == [11.0, 14.0]
    assert [mask.item() for mask in turns.masks] == [0, 1, 2], "every shard has a mask of its own"


def test_full_groups_become_one_memory_each():
    turns = learn_all(bank_of("round_robin", True), 10)
    assert holdings(turns.groups) == [[0, 2, 1, 3], [4, 6, 5, 7]] and holdings(turns.shards) == [[8], [9]]
    assert [group.delta.item() for group in turns.groups] == [3.0, 11.0]
    assert [index for _, _, index in turns.tools.merges] == [0, 1], "the number of the merging, for rules that draw"
    assert turns.groups[1].queries.flatten().tolist() == [4.0, 6.0, 5.0, 7.0]
    assert [mask.item() for mask in turns.masks] == [4, 5], "no mask is used again"
    assert holdings(turns.memories()) == [[0, 2, 1, 3], [4, 6, 5, 7], [8], [9]]


def test_the_merge_variant_has_no_groups():
    turns = learn_all(bank_of("round_robin", False), 10)
    assert not turns.groups and holdings(turns.shards) == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]] and not turns.tools.merges


def test_undoing_takes_the_last_shard_then_the_last_group():
    turns, gone = learn_all(bank_of("round_robin", True), 10).undo()
    assert gone == [9] and holdings(turns.memories()) == [[0, 2, 1, 3], [4, 6, 5, 7], [8]]
    turns, gone = turns.undo()
    assert gone == [8]
    turns, gone = turns.undo()
    assert sorted(gone) == [4, 5, 6, 7] and holdings(turns.memories()) == [[0, 2, 1, 3]]
    assert learn(turns, 4).masks[0].item() == 6, "masks go on where they were"


def test_undoing_renumbers_the_edits_that_stay():
    turns, gone = learn_all(bank_of("round_robin", True, group=0), 5).undo()
    assert gone == [1, 3] and holdings(turns.shards) == [[0, 1, 2]], "they were 0, 2 and 4"
    assert turns.shards[0].queries.flatten().tolist() == [0.0, 2.0, 4.0]


def test_joining_keeps_what_all_knew():
    first, second = learn_all(bank_of("round_robin", True, group=0), 5).shards
    one = joined([first, second], lambda deltas, index: deltas[0] * 10 + deltas[1] + index, 3)
    assert one.delta.item() == 60 + 4 + 3 and one.edits.tolist() == [0, 2, 4, 1, 3]


# sequential


def test_sequential_memories_of_the_merge_variant_by_hand():
    one = taught(bank_of("sequential", False), (1.0, 5.0), (2.0, 4.0))
    assert [m.delta.item() for m in one.saved] == [2.0] and one.side.item() == 0 and one.mask is None
    assert one.least == 4.0, "the statistic goes on after a saving"
    two = taught(one, (3.0, 6.0), (5.0, 7.0))
    assert two.tools.merges == [([2.0, 5.0], [0.5, 0.5], 0)]
    assert two.main.item() == 3.5 and two.saved == () and two.merges == 0 and two.mergings == 1
    three = taught(two, (1.0, 9.0), (2.0, 8.0), (9.0, 9.0), (7.0, 3.0))
    assert three.tools.merges[1] == ([2.0, 7.0, 3.5], [0.2, 0.2, 0.6], 1), "an older main memory keeps most"
    assert three.main.item() == pytest.approx(1.8 + 2.1) and three.least == 3.0


def test_sequential_memories_of_the_merge_variant_are_finished_before_they_answer():
    early = taught(bank_of("sequential", False), (1.0, 5.0))
    merges = early.tools.merges
    assert early.finished() is early, "not before the first saving is due"
    pending = taught(early, (2.0, 4.0), (3.0, 6.0))
    done = pending.finished()
    assert merges == [([2.0, 3.0], [0.5, 0.5], 0)] and done.main.item() == 2.5
    assert done.side.item() == 0 and done.saved == () and done.mergings == 1
    assert pending.main is None and pending.side.item() == 3.0, "asking leaves no trace"
    later = taught(pending, (5.0, 7.0), (4.0, 3.0)).finished()
    assert merges[-1] == ([4.0, 3.5], [0.4, 0.6], 1) and later.main.item() == pytest.approx(1.6 + 2.1)
    assert later.finished() is later, "there is nothing left to merge"
    assert [(m.delta.item(), m.least) for m in done.answering()] == [(0.0, 4.0), (2.5, 4.0)]


def test_sequential_memories_of_the_retrieve_variant_by_hand():
    one = taught(bank_of("sequential", True, merge_weight=0.8), (1.0, 5.0), (2.0, 4.0), (3.0, 6.0))
    assert [(m.delta.item(), m.least, m.edits) for m in one.saved] == [(2.0, 4.0, (0, 1))]
    assert (one.side.item(), one.least, one.open) == (3.0, 6.0, (2,)), "with a statistic of its own"
    assert [m.delta.item() for m in one.answering()] == [3.0, 2.0], "the open memory is asked first"
    two = taught(one, (5.0, 7.0))
    assert two.tools.merges == [([2.0, 5.0], [0.4, 0.4], 0)]
    (group,) = two.saved
    assert (group.delta.item(), group.least, group.edits) == (pytest.approx(2.8), 4.0, (0, 1, 2, 3))
    assert two.least == UNSEEN and two.merges == 1 and two.count == 4 and two.finished() is two
    four = taught(two, (1.0, 2.0), (1.0, 3.0), (4.0, 1.5), (4.0, 9.0))
    assert [(m.least, m.edits) for m in four.saved] == [(4.0, (0, 1, 2, 3)), (1.5, (4, 5, 6, 7))]
    assert four.merges == 2 and four.drawn == 4


def test_merging_between_two_savings_starts_the_open_memory_anew():
    tools = ByHand()
    bank = taught(Sequential(tools, True, 2, 5, tools.zero()), *[(float(i), 10.0 - i) for i in range(1, 6)])
    assert (bank.side.item(), bank.least) == (0.0, 5.0), "its score stays in the statistic"
    assert [(m.delta.item(), m.least) for m in bank.saved] == [(0.5 * 2 + 0.5 * 4, 6.0)]


def test_sequential_memories_cannot_be_taken_apart():
    with pytest.raises(ConfigError, match="only all edits can be undone"):
        learn_all(bank_of("sequential", True), 5).undo()


@pytest.mark.parametrize("replay", [True, False])
def test_past_batches_are_kept_only_where_they_are_replayed(replay):
    bank = learn_all(bank_of("sequential", False, replay=replay), 3)
    assert len(bank.history.current) == (3 if replay else 0)
    assert any(name.startswith("history") for name in bank.state()) is replay
    again = bank_of("sequential", False, replay=replay).restored(bank.state())
    assert same(bank.state(), again.state())
