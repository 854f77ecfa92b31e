"""Replay of past edits: what is read again, in which order, and its terms by hand."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

import pytest
import torch

from tests.side_memories import batch, same
from wise.editors.wise.replay import BatchReplay, History, query_replay
from wise.editors.wise.routing import Margins, Scope
from wise.lm.batch import Batch


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
