"""The unedited model as an editor: the floor of reliability and the ceiling of locality."""

from __future__ import annotations

from pydantic.dataclasses import dataclass
from torch import Tensor

from wise.editors.base import EditOutcome
from wise.editors.layout import Layout
from wise.editors.mechanisms.weight import WeightEditor
from wise.options import STRICT
from wise.records import EditRecord


@dataclass(frozen=True, config=STRICT)
class NoneConfig:
    """Nothing to set."""


class NoneEditor(WeightEditor):
    """Learns nothing; every answer is the unedited model's."""

    name = "none"
    remedy = "It edits nothing; choose another editor."
    Config = NoneConfig
    matrices = 0

    def _learn(self, record: EditRecord) -> EditOutcome:
        return EditOutcome(iterations=0, loss=float("nan"))

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        return {}

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        """There is no memory."""
