"""Editors that learn all their edits in one long call, which can be cut off and gone on with."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict

import torch
from torch import Tensor

from wise.editors.base import Editor, EditOutcome, Report
from wise.records import EditRecord

WORK = "work."
"""Prefix of the names, in `Editor.state`, of what is no part of the memory but need not be done again."""

CALL = "call"
"""Name, behind `WORK`, of the digest of the edits that are being learned."""


class JointEditor(Editor):
    """All edits are learned at once, from the unedited model: those made before are taken in again with new ones.

    The memory is the same whether edits came in one call or in several. Between units of work `state` holds what
    was done of a call, and the same call goes on there, bit for bit, on an editor that was given that state.
    """

    batch_editing = True
    _under_way: bytes = b""

    def edit_all(self, records: Sequence[EditRecord], report: Report | None = None) -> list[EditOutcome]:
        """See `Editor.edit_all`: all of them or, where an error is raised, none."""
        if not records:
            return []
        before = self.memory()
        outcomes = self._learned([*self.edits, *records], report)
        self._require_finite(before, records)
        self.edits += records
        self._attach()
        return outcomes[-len(records) :]

    def state(self) -> dict[str, Tensor]:
        """See `Editor.state`; also what was done of a call that is under way."""
        work = self._work()
        if self._under_way:
            work[CALL] = torch.tensor(list(self._under_way), dtype=torch.uint8)
        return super().state() | {f"{WORK}{name}": tensor for name, tensor in work.items()}

    def restore(self, edits: Sequence[EditRecord], state: dict[str, Tensor]) -> None:
        """See `Editor.restore`; the call that was under way then goes on where it was."""
        super().restore(edits, {name: tensor for name, tensor in state.items() if not name.startswith(WORK)})
        work = {name.removeprefix(WORK): tensor for name, tensor in state.items() if name.startswith(WORK)}
        if CALL in work:
            self._under_way = bytes(work.pop(CALL).tolist())
        self._take_work(work)

    def _learn(self, record: EditRecord) -> EditOutcome:
        return self._learned([*self.edits, record])[-1]

    def _learned(self, records: Sequence[EditRecord], report: Report | None = None) -> list[EditOutcome]:
        """Begin a call, or go on with one that was cut off in the middle of the same edits."""
        call = _digest(records)
        if call != self._under_way:
            self._abandon()
        self._under_way = call
        try:
            return self._learn_all(records, report or _ignore)
        except Exception:
            self._abandon()
            raise
        finally:
            self._under_way = b""

    @abstractmethod
    def _learn_all(self, records: Sequence[EditRecord], report: Report) -> list[EditOutcome]:
        """Write all edits into the memory, or nothing when an error is raised; goes on from `_work`."""

    @abstractmethod
    def _work(self) -> dict[str, Tensor]:
        """What was done that the call under way, or a later one, does not do again, by name."""

    @abstractmethod
    def _take_work(self, work: dict[str, Tensor]) -> None:
        """Take over what `_work` of another instance gave, behind its memory and its edits."""

    @abstractmethod
    def _abandon(self) -> None:
        """Forget what was done of a call that did not come to its end."""


def _digest(records: Sequence[EditRecord]) -> bytes:
    return hashlib.sha256(json.dumps([asdict(record) for record in records]).encode()).digest()


def _ignore(_share: float) -> None:
    pass
