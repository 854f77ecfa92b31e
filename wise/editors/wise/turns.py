"""Side memories that take edits in turn: k shards, each T/k edits; full groups are merged into one memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

Merging = Callable[[Sequence[Tensor], int], Tensor]
"""From the updates of shards (d, f) to one; the number tells one merging from another, for random rules."""


@dataclass(frozen=True)
class Memory:
    """One side memory: its update W' - W0 (d, f) and what it knows of its edits.

    `queries` (n, f): inputs of the matrix at their last prompt tokens. `scores` (n,): their routing scores
    when each was learned. `edits` (n,): their positions in the log.
    """

    PARTS = ("delta", "queries", "scores", "edits")

    delta: Tensor
    queries: Tensor
    scores: Tensor
    edits: Tensor

    def learned(self, delta: Tensor, query: Tensor, score: Tensor, edit: int) -> Memory:
        """With one more edit, of `query` (1, f)."""
        return Memory(
            delta,
            torch.cat([self.queries, query]),
            torch.cat([self.scores, score.reshape(1).to(self.scores)]),
            torch.cat([self.edits, self.edits.new_tensor([edit])]),
        )


def joined(memories: Sequence[Memory], merging: Merging, index: int) -> Memory:
    """One memory that holds the edits of several."""
    parts = (torch.cat([getattr(m, part) for m in memories]) for part in Memory.PARTS[1:])
    return Memory(merging([m.delta for m in memories], index), *parts)


@dataclass(frozen=True)
class Turns:
    """`shards` of the current group with their gradient `masks`, memories of the full `groups` before it.

    `drawn` counts the masks so far: every new shard gets one of its own. A value: every change makes a new one.
    """

    count: int
    group: int
    shards: tuple[Memory, ...] = ()
    masks: tuple[Tensor, ...] = ()
    groups: tuple[Memory, ...] = ()
    drawn: int = 0

    def next(self) -> int:
        """Which shard learns the next edit: a new one until there are k, then the one with the fewest edits."""
        if len(self.shards) < self.count:
            return len(self.shards)
        sizes = [len(shard.edits) for shard in self.shards]
        return sizes.index(min(sizes))

    def opened(self, index: int, draw_mask: Callable[[int], Tensor], empty: Memory) -> Turns:
        """With shard `index` there: a new one is `empty` and has a mask that no other has."""
        if index < len(self.shards):
            return self
        masks = (*self.masks, draw_mask(self.drawn))
        return replace(self, shards=(*self.shards, empty), masks=masks, drawn=self.drawn + 1)

    def learned(self, index: int, shard: Memory, merging: Merging) -> Turns:
        """With `shard` in place `index`; a group that is full becomes one memory, and new shards begin."""
        shards = (*self.shards[:index], shard, *self.shards[index + 1 :])
        if self.group and sum(len(s.edits) for s in shards) >= self.group:
            return replace(self, shards=(), masks=(), groups=(*self.groups, joined(shards, merging, len(self.groups))))
        return replace(self, shards=shards)

    def memories(self) -> tuple[Memory, ...]:
        """All that hold edits, groups first."""
        return *self.groups, *(shard for shard in self.shards if len(shard.edits))

    def without_last(self) -> tuple[Turns, list[int]]:
        """Without the last shard (the last group when no shard is open), and the log positions of its edits."""
        if self.shards:
            lost, kept = self.shards[-1], replace(self, shards=self.shards[:-1], masks=self.masks[:-1])
        else:
            lost, kept = self.groups[-1], replace(self, groups=self.groups[:-1])
        gone = lost.edits.tolist()
        return kept._renumbered(gone), gone

    def _renumbered(self, gone: Sequence[int]) -> Turns:
        """Positions in a log without the `gone` ones."""

        def shifted(memory: Memory) -> Memory:
            smaller = (memory.edits[:, None] > memory.edits.new_tensor(gone)).sum(1)
            return replace(memory, edits=memory.edits - smaller)

        return replace(self, shards=tuple(map(shifted, self.shards)), groups=tuple(map(shifted, self.groups)))

    def state(self) -> dict[str, Tensor]:
        """All tensors by name."""
        named = {f"shard{i}": memory for i, memory in enumerate(self.shards)}
        named |= {f"group{i}": memory for i, memory in enumerate(self.groups)}
        state = {f"{name}.{part}": getattr(memory, part) for name, memory in named.items() for part in Memory.PARTS}
        state |= {f"shard{i}.mask": mask for i, mask in enumerate(self.masks)}
        return state | {"drawn": torch.tensor(self.drawn)}

    def restored(self, state: dict[str, Tensor]) -> Turns:
        """What `state` of another one gave."""

        def memories(kind: str) -> tuple[Memory, ...]:
            count = sum(key.startswith(kind) and key.endswith(".delta") for key in state)
            return tuple(Memory(*(state[f"{kind}{i}.{part}"] for part in Memory.PARTS)) for i in range(count))

        shards = memories("shard")
        masks = tuple(state[f"shard{i}.mask"] for i in range(len(shards)))
        return replace(self, shards=shards, masks=masks, groups=memories("group"), drawn=int(state["drawn"]))
