"""Side memories that take edits in turn: k shards, each T/k edits; full groups are merged into one memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import torch
from torch import Tensor

from wise.editors.base import EditOutcome
from wise.editors.layout import Layout, Part
from wise.editors.wise.cosine_scope import CosineScope, threshold
from wise.editors.wise.memories.bank import Served, Train
from wise.editors.wise.memories.memory import PARTS, Memory, answer_keys, joined
from wise.editors.wise.memories.tools import Tools
from wise.editors.wise.replay import query_replay, sampled
from wise.editors.wise.routing import Scope
from wise.editors.wise.thresholds import between
from wise.editors.wise.training import Edit, Replay
from wise.editors.wise.update import Update, compact
from wise.editors.wise.whitening import released
from wise.errors import DataError

SPARED = 64
"""Most edits of other memories that one edit spares."""

NEAR = 0.5
"""Share of the lowest score of a memory's edits from which on it might answer another memory's edit."""

TAKEN = 0.1
"""Share of the score with which an edit was learned below which another memory has taken it over."""

HAIR = 1e-5
"""Thresholds are lower by this share, so that rounding cannot reject the edit that set the threshold."""


@dataclass(frozen=True, eq=False)
class RoundRobin:
    """`shards` of the current group with their gradient `masks`, memories of the full `groups` before it.

    `drawn` counts the masks so far: every new shard gets one of its own.
    """

    LAYOUT: ClassVar[Layout] = {
        **{f"{kind}#.{name}": part for kind in ("shard", "group") for name, part in PARTS.items()},
        "shard#.mask": Part("d f", "bool", optional=True),
        "drawn": Part(kind="int"),
    }
    """See `MemoryBank.LAYOUT`."""

    tools: Tools
    retrieve: bool
    shards: tuple[Memory, ...] = ()
    masks: tuple[Tensor, ...] = ()
    groups: tuple[Memory, ...] = ()
    drawn: int = 0

    @classmethod
    def empty(cls, tools: Tools, retrieve: bool) -> Self:
        """See `MemoryBank.empty`."""
        return cls(tools, retrieve)

    # Learning

    def learn(self, edit: Edit, train: Train) -> tuple[Self, EditOutcome]:
        """See `MemoryBank.learn`: a new shard until there are k, then the one with the fewest edits."""
        sizes = [len(shard.edits) for shard in self.shards]
        config = self.tools.config
        full = bool(config.capacity and sizes) and min(sizes) >= config.capacity
        index = len(sizes) if len(sizes) < config.shards or full else sizes.index(min(sizes))
        query = edit.rows.frozen.query()[:1]
        bank = self._opened(query[:0], edit) if index == len(sizes) else self
        shard = bank.shards[index]
        if config.whiten:
            edit = replace(edit, past=bank._past(index, edit))
        trained = train(edit, shard.delta, bank.masks[index], bank._replay(index, edit))
        keys = answer_keys(edit) if config.whiten else query[:0]
        end = self.tools.end(edit.rows.frozen)
        taught = shard.learned(
            compact(trained.delta, self.tools.seed) if config.whiten else Update((trained.delta,)),
            queries=query,
            scores=trained.score.reshape(1),
            edits=torch.tensor([edit.number]),
            keys=keys,
            rest=end.rest,
            ends=end.ends,
            signs=self.tools.cosine_scope(edit.rows).signs,
        )
        return bank._released(index, query)._with(index, taught), trained.outcome

    def _opened(self, queries: Tensor, edit: Edit) -> Self:
        """With one more shard, under a mask that no other has."""
        masks = (*self.masks, self.tools.mask(self.drawn, edit.number))
        shard = Memory.begun(self.tools.zero(), queries)
        return replace(self, shards=(*self.shards, shard), masks=masks, drawn=self.drawn + 1)

    def _with(self, index: int, shard: Memory) -> Self:
        """With `shard` in place `index`; a group that is full becomes one memory, and new shards begin."""
        shards = (*self.shards[:index], shard, *self.shards[index + 1 :])
        group = self.tools.config.group if self.retrieve else 0
        if group and sum(len(s.edits) for s in shards) >= group:
            groups = (*self.groups, joined(shards, self._merged, len(self.groups)))
            return replace(self, shards=(), masks=(), groups=groups)
        return replace(self, shards=shards)

    def _merged(self, deltas: Sequence[Tensor], index: int) -> Tensor:
        """Equation 8, every shard with the same weight."""
        return self.tools.merge(deltas, [self.tools.config.merge_weight / len(deltas)] * len(deltas), index)

    def _past(self, index: int, edit: Edit) -> Tensor:
        """Keys (n, f) of the edits that one more in shard `index` shall spare.

        A memory that moves the last prompt tokens of another one's edits takes these over, so some are among them.
        """
        own, others = self.shards[index].keys, self._others(index)
        if not len(others):
            return own
        return torch.cat([own, sampled(others, SPARED, self.tools.seed, "spared", edit.number)])

    def _others(self, index: int) -> Tensor:
        """Queries (n, f) of the edits of all memories but shard `index`."""
        own = self.shards[index]
        return torch.cat([own.queries[:0], *(m.queries for m in self.memories() if m is not own)])

    def _released(self, index: int, query: Tensor) -> Self:
        """With `query` (1, f) taken out of all memories but shard `index` that would answer it, where they are apart.

        So the memory that learned an edit answers it; and of two edits of one prompt, the later.
        """
        metric = self.tools.metric
        if metric is None or not self.retrieve:
            return self

        scope, activation = self.tools.scope(query), self.tools.activation()

        def without(memory: Memory) -> Memory:
            if not len(memory.edits) or scope.scores(memory.update, activation) < NEAR * memory.scores.min():
                return memory
            return replace(memory, update=released(memory.update, query, metric, memory.keys))

        shards = tuple(shard if i == index else without(shard) for i, shard in enumerate(self.shards))
        return replace(self, shards=shards, groups=tuple(map(without, self.groups)))

    def _replay(self, index: int, edit: Edit) -> Replay | None:
        """Past edits of the shard that learns and of all other memories, sampled anew for every edit."""
        config = self.tools.config
        if not config.replay:
            return None
        past = self.shards[index].queries
        own = self._sampled("own", past, edit)
        apart = self._sampled("others", self._others(index), edit)
        return query_replay(own, apart, edit.step.margins, config.routing_weight)

    def _sampled(self, name: str, queries: Tensor, edit: Edit) -> Scope | None:
        """Some of the queries (n, f) as texts that are scored; None where there are none."""
        chosen = sampled(queries, self.tools.config.replayed, self.tools.seed, "replay", name, edit.number)
        return self.tools.scope(chosen) if len(chosen) else None

    # Answering

    def memories(self) -> tuple[Memory, ...]:
        """All that hold edits, groups first."""
        return *self.groups, *(shard for shard in self.shards if len(shard.edits))

    def served(self) -> tuple[Served, ...]:
        """See `MemoryBank.served`."""
        return self._served

    @cached_property
    @torch.inference_mode(False)  # kept for calls through which gradients flow, whoever was first to ask
    @torch.no_grad()
    def _served(self) -> tuple[Served, ...]:
        """eps = act_ratio * smallest score over the edits of the memory (section 2.3.1)."""
        memories = self.memories()
        if memories and not self.retrieve:
            memories = (joined(memories, self._merged, 0),)
        thresholds = self._thresholds(memories) if memories else ()
        return tuple(
            Served(memory.update, threshold, tuple(memory.edits.tolist()), memory.end, self._scope(memory))
            for memory, threshold in zip(memories, thresholds, strict=True)
        )

    def _thresholds(self, memories: Sequence[Memory]) -> Tensor:
        """Thresholds (k,), see `WiseConfig.threshold`."""
        config, tools = self.tools.config, self.tools
        unrelated = tools.unrelated
        if unrelated is not None:
            units = unrelated.units
            near = [m.once("cosines", units, lambda m=m: CosineScope(m.signs).cosines(units)) for m in memories]
            return (threshold(near, unrelated) * (1 - HAIR)).expand(len(memories))
        if config.threshold == "recorded":
            smallest = torch.stack([memory.scores.min() for memory in memories])
        else:
            smallest = torch.stack([m.once("least", m.update, lambda m=m: self._least(m)) for m in memories])
        if config.threshold != "between":
            return config.act_ratio * (1 - HAIR) * smallest
        apart = tools.held_back
        scores = [m.once("apart", apart, lambda m=m: tools.scores(apart, m.update)) for m in memories]  # k of (n,)
        return (1 - HAIR) * between(smallest.float(), torch.stack(scores, 1).float()).to(smallest)

    def _least(self, memory: Memory) -> Tensor:
        """The smallest score () of the edits that a memory answers; infinite where it answers none any more.

        Those do not count that it was released from: their scores of zero would let it answer every prompt.
        """
        scores = self.tools.scores(memory.queries, memory.update)
        if self.retrieve and self.tools.metric is not None:
            scores = scores.masked_fill(scores < TAKEN * memory.scores.to(scores), torch.inf)
        return scores.min()

    def _scope(self, memory: Memory) -> CosineScope | None:
        """Which prompts are its own, where signs tell that."""
        return None if self.tools.unrelated is None else CosineScope(memory.signs)

    def choose(self, scores: Tensor, thresholds: Tensor) -> Tensor:
        """See `MemoryBank.choose`: the largest score among those that reach their threshold.

        With thresholds between edits and unrelated prompts, scores of different memories compare in their units.
        """
        accepted = scores >= thresholds
        if self.tools.config.threshold == "between":
            scores = scores / thresholds
        best = scores.masked_fill(~accepted, -1).argmax(1)
        return torch.where(accepted.any(1), best + 1, 0)

    # Undoing, state

    def undo(self) -> tuple[Self, list[int]]:
        """See `MemoryBank.undo`: the last shard, or the last group when no shard is open."""
        if self.shards:
            lost, kept = self.shards[-1], replace(self, shards=self.shards[:-1], masks=self.masks[:-1])
        else:
            lost, kept = self.groups[-1], replace(self, groups=self.groups[:-1])
        gone = lost.edits.tolist()
        return kept._renumbered(gone), gone

    def _renumbered(self, gone: Sequence[int]) -> Self:
        """Positions in a log without the `gone` ones."""
        shards, groups = (tuple(memory.without(gone) for memory in held) for held in (self.shards, self.groups))
        return replace(self, shards=shards, groups=groups)

    def state(self) -> dict[str, Tensor]:
        """See `MemoryBank.state`; masks that leave every entry free are not kept."""
        named = {f"shard{i}": memory for i, memory in enumerate(self.shards)}
        named |= {f"group{i}": memory for i, memory in enumerate(self.groups)}
        state = {f"{name}.{part}": held for name, memory in named.items() for part, held in memory.state().items()}
        if self.tools.config.rho < 1:
            state |= {f"shard{i}.mask": mask for i, mask in enumerate(self.masks)}
        return state | {"drawn": torch.tensor(self.drawn)}

    def restored(self, state: dict[str, Tensor]) -> Self:
        """See `MemoryBank.restored`."""
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            name, _, part = key.partition(".")
            parts.setdefault(name, {})[part] = tensor
        width = self.tools.tail.site.weight.shape[1]

        def memories(kind: str) -> tuple[Memory, ...]:
            count = sum(name.startswith(kind) for name in parts)
            return tuple(Memory.restored(parts[f"{kind}{i}"], width) for i in range(count))

        shards, drawn = memories("shard"), int(state["drawn"])
        masks = tuple(self._mask_of(parts, i) for i in range(len(shards)))
        return replace(self, shards=shards, masks=masks, groups=memories("group"), drawn=drawn)

    def _mask_of(self, parts: Mapping[str, Mapping[str, Tensor]], index: int) -> Tensor:
        """The saved mask (d, f) of shard `index`, or the one that leaves every entry free."""
        if self.tools.config.rho == 1:
            return self.tools.mask(index, 0)
        if "mask" not in parts[f"shard{index}"]:
            raise DataError(f"lacks the tensor 'shard{index}.mask'")
        return parts[f"shard{index}"]["mask"]
