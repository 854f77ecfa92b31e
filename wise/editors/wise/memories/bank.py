"""What every arrangement of side memories does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

from torch import Tensor

from wise.editors.base import EditOutcome
from wise.editors.layout import Layout
from wise.editors.wise.answer_end import AnswerEnd
from wise.editors.wise.cosine_scope import CosineScope
from wise.editors.wise.memories.tools import Tools
from wise.editors.wise.training import Edit, Replay, Trained
from wise.editors.wise.update import Update

Train = Callable[[Edit, Tensor, Tensor, Replay | None], Trained]
"""Trains one memory on one edit, from its update W' - W0 (d, f) and under its gradient mask (d, f)."""


@dataclass(frozen=True)
class Served:
    """A memory that can answer: its `update`, its threshold (), and positions of its edits in the log.

    `end` tells where its answers end; None where it answers at every token. `scope` tells which prompts are its own;
    None where that is read from how far it moves the matrix's output.
    """

    update: Update
    threshold: Tensor
    edits: tuple[int, ...]
    end: AnswerEnd | None = None
    scope: CosineScope | None = None

    @property
    def delta(self) -> Tensor:
        """The update (d, f) as one matrix."""
        return self.update.whole


class MemoryBank(Protocol):
    """Side memories with what they know of their edits.

    A value: learning and undoing give another bank and leave this one as it is, so an edit that fails changes nothing
    and asking leaves no trace in what is learned later.
    """

    LAYOUT: ClassVar[Layout]
    """The tensors of `state`."""

    @classmethod
    def empty(cls, tools: Tools, retrieve: bool) -> Self:
        """Without edits. With `retrieve` memories answer apart, else they are merged into one that answers."""
        ...

    def learn(self, edit: Edit, train: Train) -> tuple[Self, EditOutcome]:
        """With one more edit, which `train` teaches the memory whose turn it is; and how it went."""
        ...

    def served(self) -> Sequence[Served]:
        """The memories that answer, derived once from what was learned."""
        ...

    def choose(self, scores: Tensor, thresholds: Tensor) -> Tensor:
        """Number (B,) of the memory that answers each text, from 1, or 0.

        `scores` (B, k) of the texts in all memories of `served`, and their `thresholds` (k,).
        """
        ...

    def undo(self) -> tuple[Self, list[int]]:
        """Without the memory that was begun last, and the log positions of its edits; later edits move up.

        Raises `ConfigError` where memories cannot be taken apart any more.
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything, as tensors by name."""
        ...

    def restored(self, state: dict[str, Tensor]) -> Self:
        """A bank like this one that holds what `state` of another one gave."""
        ...
