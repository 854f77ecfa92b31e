"""Side memories and their replay: sequences worked out by hand, then the editors that use them."""

from __future__ import annotations

from dataclasses import fields
from random import Random
from types import SimpleNamespace

import pytest
import torch

from tests.contract.test_editors import CONTEXTS, OTHERS, QUICK
from tests.models import tiny_language_model
from wise.editors.base import EditOutcome
from wise.editors.decision import Reading
from wise.editors.registry import make_editor
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise.memories import BANKS, Sequential
from wise.editors.wise.memories.round_robin import joined
from wise.editors.wise.memories.sequential import UNSEEN
from wise.editors.wise.merging import merge
from wise.editors.wise.replay import BatchReplay, History, query_replay
from wise.editors.wise.routing import Margins, Scope
from wise.editors.wise.training import Edit, Iteration, Trained, Trainer
from wise.errors import ConfigError, EditError
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


class Noted(Trainer):
    """Trains as `Trainer` does and notes every forward pass, with how many terms of replay were added: `edits`."""

    def __init__(self, tail) -> None:
        super().__init__(tail)
        self.edits: list[list[tuple[Iteration, int]]] = []

    def __call__(self, edit, delta, mask, replay=None):
        self.edits.append([])

        def counted(change):
            terms = replay(change)
            self.edits[-1][-1] = self.edits[-1][-1][0], len(terms)
            return terms

        return super().__call__(edit, delta, mask, replay and counted)

    def side_memory(self, edit, delta, mask):
        memory, passes = super().side_memory(edit, delta, mask), self.edits[-1]
        forward = memory.forward

        def noted():
            passes.append((forward(), 0))
            return passes[-1][0]

        memory.forward = noted
        return memory


def watched(name: str, **options):
    """An editor without edits, and a list to which it adds the forward passes of each."""
    plain = edited(name, 0, **options)
    trainer = Noted(plain.tail)
    editor = type(plain)(plain.lm, plain.config, 2, CONTEXTS, trainer=trainer)
    editor.prepare(STREAM)
    return editor, trainer.edits


# banks


class ByHand:
    """Tools whose numbers can be followed by hand: masks are their numbers, merging is a weighted sum, and noted."""

    def __init__(self, **options) -> None:
        defaults = {"shards": 2, "group": 4, "merge_weight": 1.0, "act_ratio": 0.5, "threshold": "recorded"}
        self.config = SimpleNamespace(**defaults | {"replay": False} | options)
        self.merges: list[tuple[list[float], list[float], int]] = []

    def zero(self):
        return torch.zeros(1, 1)

    def mask(self, index, edit):
        return torch.tensor([index])

    def merge(self, deltas, weights, index):
        self.merges.append(([delta.item() for delta in deltas], [round(weight, 9) for weight in weights], index))
        return sum(weight * delta for weight, delta in zip(weights, deltas, strict=True))


def edit_number(number: int) -> Edit:
    """An edit whose query is its number."""
    query = torch.tensor([[float(number)]])
    rows = SimpleNamespace(frozen=SimpleNamespace(query=lambda: query, batch=batch(number)))
    return Edit(STREAM[0], number, rows, None)


def learn(bank, edit: int, value: float | None = None, score: float | None = None):
    """Edit number e adds e to its memory, or makes it `value`, and scores 10 + e."""

    def train(_edit, delta, _mask, _replay):
        after = delta + edit if value is None else torch.full_like(delta, value)
        return Trained(EditOutcome(1, 0.0), after, torch.tensor(10.0 + edit if score is None else score))

    return bank.learn(edit_number(edit), train)[0]


def learn_all(bank, count: int):
    for edit in range(count):
        bank = learn(bank, edit)
    return bank


def taught(bank: Sequential, *edits: tuple[float, float]) -> Sequential:
    """With edits of these updates and scores."""
    for value, score in edits:
        bank = learn(bank, bank.count, value, score)
    return bank


def holdings(memories) -> list[list[int]]:
    return [list(memory.edits) for memory in memories]


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
