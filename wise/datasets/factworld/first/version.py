"""Version 1 of FactWorld."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from wise.datasets.factworld.corpus import Document, write_corpus
from wise.datasets.factworld.first.edits import edit_records, new_value, values_by_relation
from wise.datasets.factworld.first.split import divide
from wise.datasets.factworld.first.teaching import plan_teaching
from wise.datasets.factworld.first.world import build_world
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.version import Version
from wise.datasets.factworld.world import Fact
from wise.records import EditRecord


class FirstVersion(Version):
    """See the package."""

    exempt: ClassVar = {
        "development": "every subject is in the stream or trains editors, and both stay as they were",
        "wording": "the six wordings of a relation serve the stream and training records alike",
    }

    def __init__(self, options: FactWorldOptions) -> None:
        self.options = options
        self.world = build_world(options)
        self.plan = plan_teaching(self.world, options)
        self.split = divide(self.world, options)
        self._values = values_by_relation(self.world)

    def documents(self) -> Iterator[Document]:
        return write_corpus(self.world, self.plan, self.options)

    def edit_records(self, role: str) -> list[EditRecord]:
        return edit_records(self.world, self.plan, self.split, self.options, role)

    def task_records(self, role: str) -> list[EditRecord]:
        """This version has one kind of edits."""
        return [replace(record, task="counterfact") for record in self.edit_records(role)]

    def contradict(self, fact: Fact, draw: random.Random) -> str:
        return new_value(self.world, fact, self._values[fact.relation], draw)
