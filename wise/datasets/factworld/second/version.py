"""Version 2 of FactWorld."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from wise.datasets.factworld.corpus import Document, Teaching, write_corpus
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.second.edits import edit_records
from wise.datasets.factworld.second.in_context import Readers, context_documents, context_questions
from wise.datasets.factworld.second.split import divide
from wise.datasets.factworld.second.tasks.records import task_records
from wise.datasets.factworld.second.teaching import plan_teaching
from wise.datasets.factworld.second.world import build_world, other_value
from wise.datasets.factworld.split import TRAIN
from wise.datasets.factworld.version import Version
from wise.datasets.factworld.world import Fact, stream
from wise.records import EditRecord


class SecondVersion(Version):
    """See the package."""

    def __init__(self, options: FactWorldOptions) -> None:
        self.options = options
        self.world = build_world(options)
        self.plan = plan_teaching(self.world, options)
        self.split = divide(self.world, options)

    def documents(self) -> Iterator[Document]:
        readers = Readers(self.world, self.split, self.options)
        statements = list(write_corpus(self.world, self.plan, self.options))
        statements += readers.documents(self.world, self.options)
        yield from statements
        yield from context_documents(self.world, readers, self.options, len(statements))

    def edit_records(self, role: str) -> list[EditRecord]:
        return edit_records(self.world, self.plan, self.split, self.options, role)

    def task_records(self, role: str) -> list[EditRecord]:
        return task_records(self.world, self.plan, self.split, self.options, role)

    def contradict(self, fact: Fact, draw: random.Random) -> str:
        return other_value(self.world, fact, draw)

    def fact_row(self, teaching: Teaching) -> dict[str, Any]:
        row = super().fact_row(teaching)
        fact = teaching.fact
        if fact.subject not in self.split.reserved:
            return row
        before, target = self.world.description(fact, fact.object)
        described = f"{before} {target[: target.index(fact.object)].strip()}"
        row |= {"described": [], "description_held_out": []}
        row["described" if teaching.described else "description_held_out"].append(described)
        if fact.subject not in self.split.roles[TRAIN].edited:
            row |= context_questions(self.world, teaching, stream(self.options, "asked", *fact.key))
        return row

    def held_out(self, teaching: Teaching) -> tuple[int, ...]:
        """As many as are seen: the numbers of both are then about equally sure."""
        draw = stream(self.options, "held out", *teaching.fact.key)
        return tuple(draw.sample(teaching.held_out, min(len(teaching.seen), len(teaching.held_out))))
