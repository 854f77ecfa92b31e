"""Replay (appendix B.3): past edits in the routing loss, so that memories keep to their own edits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import ClassVar

import torch
from torch import Tensor

from wise.editors.layout import Layout, Part
from wise.editors.wise.routing import Activation, Margins, Scope, hinges
from wise.lm.batch import Batch
from wise.seeds import generator

OFFICIAL_MARGINS = Margins(alpha=5.0, beta=20.0, gamma=0.0)
"""Constants of the released code, whatever the margins of the edits are."""


def query_replay(own: Scope | None, others: Scope | None, margins: Margins, weight: float) -> Callable[[Tensor], list]:
    """L_memo on single tokens: scores of the memory's `own` past edits up, those of `others` down."""

    def terms(delta: Tensor) -> list[Tensor]:
        losses = [] if own is None else [hinges([margins.beta - own.scores(delta)], "mean")]
        losses += [] if others is None else [hinges([others.scores(delta) - margins.alpha], "mean")]
        return [weight * loss for loss in losses]

    return terms


def sampled(queries: Tensor, count: int, seed: int, *purpose: str | int) -> Tensor:
    """At most `count` of the queries (n, f)."""
    order = torch.randperm(len(queries), generator=generator(seed, *purpose), device="cpu")[:count]
    return queries[order.to(queries.device)]


@dataclass(frozen=True)
class History:
    """Batches of past edits as the released code keeps them: `groups` that were merged, and the `current` one.

    `used` marks, group by group, what was replayed since the group was last gone through.
    """

    LAYOUT: ClassVar[Layout] = {
        "history.#.#.input_ids": Part("b l", "int", below="V"),
        "history.#.#.attention_mask": Part("b l", "int", below="2"),
        "history.#.#.start": Part("b", "int", least=1, below="l+1"),
        "history.#.#.length": Part("b", "int", least=1, below="l+1"),
        "history.sizes": Part("g", "int", optional=True),
        "history.used#": Part("u", "bool"),
    }
    """Its tensors, see `wise.editors.layout`."""

    groups: tuple[tuple[Batch, ...], ...] = ()
    current: tuple[Batch, ...] = ()
    used: tuple[tuple[bool, ...], ...] = ()

    def added(self, batch: Batch) -> History:
        """With the edit that is learned now."""
        return replace(self, current=(*self.current, batch))

    def merged(self) -> History:
        """The current group is closed."""
        used = (*self.used, (False,) * len(self.current))
        return History((*self.groups, self.current), (), used)

    def state(self) -> dict[str, Tensor]:
        """All tensors by name."""
        state = {}
        for number, group in enumerate((*self.groups, self.current)):
            for index, batch in enumerate(group):
                for part in Batch.PARTS:
                    state[f"history.{number}.{index}.{part}"] = getattr(batch, part)
        state["history.sizes"] = torch.tensor([len(group) for group in (*self.groups, self.current)])
        return state | {f"history.used{i}": torch.tensor(marks) for i, marks in enumerate(self.used)}

    @classmethod
    def restored(cls, state: dict[str, Tensor]) -> History:
        """What `state` of another one gave."""
        groups = tuple(
            tuple(Batch(*(state[f"history.{number}.{index}.{part}"] for part in Batch.PARTS)) for index in range(size))
            for number, size in enumerate(state["history.sizes"].tolist())
        )
        used = tuple(tuple(state[f"history.used{i}"].tolist()) for i in range(len(groups) - 1))
        return cls(groups[:-1], groups[-1], used)


@dataclass
class BatchReplay:
    """L_memo of the released code, one past batch of every merged group and one of the current group an iteration."""

    history: History
    scope: Callable[[Batch], Scope]
    draw: Random
    activation: Activation
    used: list[list[bool]] = field(init=False)

    def __post_init__(self) -> None:
        self.used = [list(marks) for marks in self.history.used]

    def __call__(self, delta: Tensor) -> list[Tensor]:
        """[mean over merged groups of pm(D - 5), pm(20 - D)] of the memory W0 + `delta`."""
        past = [group[self._next(marks)] for group, marks in zip(self.history.groups, self.used, strict=True)]
        own = self.draw.choice(self.history.current)
        down = [
            hinges([self.scope(batch).scores(delta, self.activation) - OFFICIAL_MARGINS.alpha], "positive")
            for batch in past
        ]
        up = hinges([OFFICIAL_MARGINS.beta - self.scope(own).scores(delta, self.activation)], "positive")
        return [torch.stack(down).mean(), up]

    def after(self) -> History:
        """The history with what was used by now."""
        return replace(self.history, used=tuple(map(tuple, self.used)))

    @staticmethod
    def _next(marks: list[bool]) -> int:
        """The first not yet used; all are free again when none is left."""
        if all(marks):
            marks[:] = [False] * len(marks)
        index = marks.index(False)
        marks[index] = True
        return index
