"""Side memories as the released code keeps them: shards filled one after the other, saved, and merged.

Every `save_every` edits the side memory is put away and starts anew; every `merge_every` edits the
memories put away are merged. Retrieve keeps merged memories apart; merge makes them the main memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

Merging = Callable[[Sequence[Tensor], Sequence[float], int], Tensor]
"""From updates (d, f) and their weights to one update; the number tells one merging from another."""

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


@dataclass(frozen=True)
class Blocks:
    """A value: every change makes a new one, so that asking between edits leaves no trace in what is learned.

    `side` (d, f) is the update being learned, with gradient `mask` (None before the first edit of a shard);
    `main` (d, f) the merged memory of the merge variant; `least` the smallest score of the current statistic.
    `merges` counts as the released code does (retrieve only), `mergings` all of them.
    """

    retrieve: bool
    save_every: int
    merge_every: int
    merge_weight: float
    side: Tensor
    main: Tensor | None = None
    mask: Tensor | None = None
    saved: tuple[Saved, ...] = ()
    least: float = UNSEEN
    count: int = 0
    merges: int = 0
    mergings: int = 0
    drawn: int = 0
    open: tuple[int, ...] = field(default=())

    def opened(self, draw_mask: Callable[[int], Tensor]) -> Blocks:
        """With a gradient mask for the shard that learns now; every shard has its own."""
        if self.mask is not None:
            return self
        return replace(self, mask=draw_mask(self.drawn), drawn=self.drawn + 1)

    def learned(self, delta: Tensor, score: float, merging: Merging) -> Blocks:
        """After one more edit: its update and score, then saving and merging where they are due."""
        count = self.count + 1
        now = replace(self, side=delta, least=min(self.least, score), count=count, open=(*self.open, self.count))
        if count % self.save_every == 0:
            now = now._put_away()
        if count % self.merge_every == 0:
            now = now._merged_apart(merging) if self.retrieve else now._merged_into_main(merging)
        return now

    def finished(self, merging: Merging) -> Blocks:
        """As the merge variant answers: memories not merged yet are merged, the one being learned among them."""
        if self.retrieve or self.count < self.save_every:
            return self
        now = self
        if self.side.count_nonzero():
            now = replace(now, saved=(*now.saved, Saved(now.side, now.least, now.open)), open=())
        return now._merged_into_main(merging) if now.saved else now

    def answering(self) -> list[Saved]:
        """The memories that can answer, in the order in which they are asked: the open one first."""
        current = Saved(self.side, self.least, self.open)
        if self.retrieve:
            return [current, *self.saved]
        main = torch.zeros_like(self.side) if self.main is None else self.main
        return [current, Saved(main, self.least, tuple(range(self.count)))]

    def _put_away(self) -> Blocks:
        saved = (*self.saved, Saved(self.side, self.least, self.open))
        least = UNSEEN if self.retrieve else self.least
        return replace(self, saved=saved, side=torch.zeros_like(self.side), mask=None, least=least, open=())

    def _merged_apart(self, merging: Merging) -> Blocks:
        """The last merge_every / save_every memories become one, with the smallest of their scores."""
        size = self.merge_every // self.save_every
        last = self.saved[-size:]
        delta = merging([memory.delta for memory in last], [self.merge_weight / size] * size, self.mergings)
        edits = tuple(edit for memory in last for edit in memory.edits)
        merged = Saved(delta, min(memory.least for memory in last), edits)
        saved = (*self.saved[:-size], merged)
        counts = {"merges": self.merges + 1, "mergings": self.mergings + 1}
        return replace(self, saved=saved, side=torch.zeros_like(self.side), mask=None, open=(), **counts)

    def _merged_into_main(self, merging: Merging) -> Blocks:
        """All memories become the main one; an older main memory keeps most of the weight."""
        deltas, size = [memory.delta for memory in self.saved], len(self.saved)
        if self.main is None:
            main = merging(deltas, [self.merge_weight / size] * size, self.mergings)
        else:
            main = merging([*deltas, self.main], [(1 - KEPT) / size] * size + [KEPT], self.mergings)
        side = torch.zeros_like(self.side)
        return replace(self, main=main, saved=(), side=side, mask=None, open=(), mergings=self.mergings + 1)

    def state(self) -> dict[str, Tensor]:
        """All tensors by name; numbers as float64 and int64 tensors."""
        state = {"side": self.side, "least": torch.tensor(self.least, dtype=torch.float64)}
        state["counts"] = torch.tensor([self.count, self.merges, self.mergings, self.drawn])
        state["open"] = torch.tensor(self.open).long()
        state |= {} if self.main is None else {"main": self.main}
        state |= {} if self.mask is None else {"mask": self.mask}
        for index, memory in enumerate(self.saved):
            state[f"saved{index}.delta"] = memory.delta
            state[f"saved{index}.least"] = torch.tensor(memory.least, dtype=torch.float64)
            state[f"saved{index}.edits"] = torch.tensor(memory.edits).long()
        return state

    def restored(self, state: dict[str, Tensor]) -> Blocks:
        """What `state` of another one gave."""
        number = sum(key.startswith("saved") and key.endswith(".delta") for key in state)
        saved = tuple(
            Saved(state[f"saved{i}.delta"], float(state[f"saved{i}.least"]), tuple(state[f"saved{i}.edits"].tolist()))
            for i in range(number)
        )
        count, merges, mergings, drawn = state["counts"].tolist()
        return replace(
            self,
            side=state["side"],
            main=state.get("main"),
            mask=state.get("mask"),
            saved=saved,
            least=float(state["least"]),
            count=count,
            merges=merges,
            mergings=mergings,
            drawn=drawn,
            open=tuple(state["open"].tolist()),
        )
