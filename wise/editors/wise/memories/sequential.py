"""Side memories as the released code keeps them: shards filled one after the other, saved, and merged.

Every `save_every` edits the side memory is put away and starts anew; every `merge_every` edits the
memories put away are merged. Retrieve keeps merged memories apart; merge makes them the main memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import torch
from torch import Tensor

from wise.editors.base import EditOutcome
from wise.editors.layout import Layout, Part
from wise.editors.wise.memories.bank import Served, Train
from wise.editors.wise.memories.tools import Tools
from wise.editors.wise.replay import BatchReplay, History
from wise.editors.wise.training import Edit
from wise.editors.wise.update import Update
from wise.errors import ConfigError

UNSEEN = 1e9
"""Smallest score of a memory without edits."""

KEPT = 0.6
"""Weight of the main memory when later memories are merged into it."""


@dataclass(frozen=True)
class Saved:
    """A memory put away: its update (d, f), the smallest recorded score of its edits, their positions in the log."""

    delta: Tensor
    least: float
    edits: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Sequential:
    """`side` (d, f) is the update being learned, with gradient `mask` (None before the first edit of a shard).

    `main` (d, f) is the merged memory of the merge variant, `least` the smallest score of the current statistic.
    `merges` counts as the released code does (retrieve only), `mergings` all of them. `open`: log positions of the
    edits in `side`. `history`: past batches, where they are replayed.
    """

    LAYOUT: ClassVar[Layout] = {
        "side": Part("d f"),
        "least": Part(kind="double"),
        "counts": Part("4", "int"),
        "open": Part("o", "int", below="T"),
        "main": Part("d f", optional=True),
        "mask": Part("d f", "bool", optional=True),
        "saved#.delta": Part("d f"),
        "saved#.least": Part(kind="double"),
        "saved#.edits": Part("n", "int", below="T"),
        **History.LAYOUT,
    }
    """See `MemoryBank.LAYOUT`."""

    tools: Tools
    retrieve: bool
    save_every: int
    merge_every: int
    side: Tensor
    main: Tensor | None = None
    mask: Tensor | None = None
    saved: tuple[Saved, ...] = ()
    least: float = UNSEEN
    count: int = 0
    merges: int = 0
    mergings: int = 0
    drawn: int = 0
    open: tuple[int, ...] = ()
    history: History = History()

    @classmethod
    def empty(cls, tools: Tools, retrieve: bool) -> Self:
        """See `MemoryBank.empty`: `group` edits are merged, in `shards` memories."""
        group = tools.config.group
        return cls(tools, retrieve, group // tools.config.shards, group, tools.zero())

    # Learning

    def learn(self, edit: Edit, train: Train) -> tuple[Self, EditOutcome]:
        """See `MemoryBank.learn`: the memory that is open."""
        if self.mask is None:  # every shard has a mask of its own
            mask = self.tools.mask(self.drawn, edit.number)
            return replace(self, mask=mask, drawn=self.drawn + 1).learn(edit, train)
        replay, history = None, self.history
        if self.tools.config.replay:
            history = history.added(edit.rows.frozen.batch)
            if self.retrieve and self.merges:
                tools = self.tools
                replay = BatchReplay(history, tools.batch_scope, tools.draw(edit.number), tools.activation())
        trained = train(edit, self.side, self.mask, replay)
        after = self.learned(trained.delta, trained.score.item())
        if self.tools.config.replay:
            history = history if replay is None else replay.after()
            after = replace(after, history=history.merged() if after.merges > self.merges else history)
        return after, trained.outcome

    def learned(self, delta: Tensor, score: float) -> Self:
        """After one more edit: its update and score, then saving and merging where they are due."""
        count = self.count + 1
        now = replace(self, side=delta, least=min(self.least, score), count=count, open=(*self.open, self.count))
        if count % self.save_every == 0:
            now = now.put_away()
        if count % self.merge_every == 0:
            now = now._merged_apart() if self.retrieve else now._merged_into_main()
        return now

    def put_away(self) -> Self:
        """With the memory being learned among those that are saved, and a new one begun."""
        saved = (*self.saved, Saved(self.side, self.least, self.open))
        least = UNSEEN if self.retrieve else self.least
        return replace(self, saved=saved, side=torch.zeros_like(self.side), mask=None, least=least, open=())

    def _merged_apart(self) -> Self:
        """The last merge_every / save_every memories become one, with the smallest of their scores."""
        size = self.merge_every // self.save_every
        last = self.saved[-size:]
        weights = [self.tools.config.merge_weight / size] * size
        delta = self.tools.merge([memory.delta for memory in last], weights, self.mergings)
        edits = tuple(edit for memory in last for edit in memory.edits)
        merged = Saved(delta, min(memory.least for memory in last), edits)
        saved = (*self.saved[:-size], merged)
        counts = {"merges": self.merges + 1, "mergings": self.mergings + 1}
        return replace(self, saved=saved, side=torch.zeros_like(self.side), mask=None, open=(), **counts)

    def _merged_into_main(self) -> Self:
        """All memories become the main one; an older main memory keeps most of the weight."""
        deltas, size = [memory.delta for memory in self.saved], len(self.saved)
        if self.main is None:
            main = self.tools.merge(deltas, [self.tools.config.merge_weight / size] * size, self.mergings)
        else:
            main = self.tools.merge([*deltas, self.main], [(1 - KEPT) / size] * size + [KEPT], self.mergings)
        side = torch.zeros_like(self.side)
        return replace(self, main=main, saved=(), side=side, mask=None, open=(), mergings=self.mergings + 1)

    # Answering

    def finished(self) -> Self:
        """As the merge variant answers: memories not merged yet are merged, the one being learned among them."""
        if self.retrieve or self.count < self.save_every:
            return self
        now = self
        if self.side.count_nonzero():
            now = replace(now, saved=(*now.saved, Saved(now.side, now.least, now.open)), open=())
        return now._merged_into_main() if now.saved else now

    def answering(self) -> list[Saved]:
        """The memories that can answer, in the order in which they are asked: the open one first."""
        current = Saved(self.side, self.least, self.open)
        if self.retrieve:
            return [current, *self.saved]
        main = torch.zeros_like(self.side) if self.main is None else self.main
        return [current, Saved(main, self.least, tuple(range(self.count)))]

    def served(self) -> tuple[Served, ...]:
        """See `MemoryBank.served`."""
        return self._served

    @cached_property
    @torch.inference_mode(False)  # kept for calls through which gradients flow, whoever was first to ask
    @torch.no_grad()
    def _served(self) -> tuple[Served, ...]:
        if not self.count:
            return ()

        def serving(memory: Saved) -> Served:
            threshold = torch.tensor(self.tools.config.act_ratio * memory.least, dtype=torch.float64)
            return Served(Update((memory.delta,)), threshold, memory.edits)

        return tuple(map(serving, self.finished().answering()))

    def choose(self, scores: Tensor, thresholds: Tensor) -> Tensor:
        """See `MemoryBank.choose`; as the released code compares, a later memory must beat the open one even where
        that one is not accepted.
        """
        best, choice = scores[:, 0], (scores[:, 0] >= thresholds[0]).long()
        for index in range(1, scores.shape[1]):
            better = (scores[:, index] > best) & (scores[:, index] > thresholds[index])
            best, choice = torch.where(better, scores[:, index], best), torch.where(better, index + 1, choice)
        return choice

    # Undoing, state

    def undo(self) -> tuple[Self, list[int]]:
        """See `MemoryBank.undo`: none can be taken out, because merged memories go on in later ones."""
        raise ConfigError("with order 'sequential' only all edits can be undone")

    def state(self) -> dict[str, Tensor]:
        """See `MemoryBank.state`; numbers as float64 and int64 tensors."""
        state = {"side": self.side, "least": torch.tensor(self.least, dtype=torch.float64)}
        state["counts"] = torch.tensor([self.count, self.merges, self.mergings, self.drawn])
        state["open"] = torch.tensor(self.open).long()
        state |= {} if self.main is None else {"main": self.main}
        state |= {} if self.mask is None else {"mask": self.mask}
        for index, memory in enumerate(self.saved):
            state[f"saved{index}.delta"] = memory.delta
            state[f"saved{index}.least"] = torch.tensor(memory.least, dtype=torch.float64)
            state[f"saved{index}.edits"] = torch.tensor(memory.edits).long()
        return state | (self.history.state() if self.tools.config.replay else {})

    def restored(self, state: dict[str, Tensor]) -> Self:
        """See `MemoryBank.restored`."""
        number = sum(key.startswith("saved") and key.endswith(".delta") for key in state)
        saved = tuple(
            Saved(state[f"saved{i}.delta"], float(state[f"saved{i}.least"]), tuple(state[f"saved{i}.edits"].tolist()))
            for i in range(number)
        )
        names = "count", "merges", "mergings", "drawn"
        return replace(
            self,
            side=state["side"],
            main=state.get("main"),
            mask=state.get("mask"),
            saved=saved,
            least=float(state["least"]),
            open=tuple(state["open"].tolist()),
            history=History.restored(state) if self.tools.config.replay else History(),
            **dict(zip(names, state["counts"].tolist(), strict=True)),
        )
