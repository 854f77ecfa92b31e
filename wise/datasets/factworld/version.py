"""What a version of FactWorld brings: its world, what the corpus states of it, and its edits."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from wise.datasets.factworld.corpus import Document, Teaching
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.split import Split
from wise.datasets.factworld.world import Fact, World
from wise.records import EditRecord


class Version(ABC):
    """One version of the world as `options` and their seed describe it."""

    exempt: ClassVar[Mapping[str, str]] = {}
    """Rules for datasets that the version cannot hold to, and why; see `wise.datasets.leaks`."""

    options: FactWorldOptions
    world: World
    plan: Mapping[tuple[str, str], Teaching]
    split: Split

    @abstractmethod
    def __init__(self, options: FactWorldOptions) -> None: ...

    @abstractmethod
    def documents(self) -> Iterator[Document]:
        """The corpus."""

    @abstractmethod
    def edit_records(self, role: str) -> list[EditRecord]:
        """Single facts to change, in a seeded random order."""

    @abstractmethod
    def task_records(self, role: str) -> list[EditRecord]:
        """Edits of several kinds, each with its `task`."""

    @abstractmethod
    def contradict(self, fact: Fact, draw: random.Random) -> str:
        """Another value that the fact's relation can have."""

    def fact_row(self, teaching: Teaching) -> dict[str, Any]:
        """One line of facts.jsonl: the fact and every question about it, by what the corpus stated.

        `seen`, `held_out`, `alias_seen` and `alias_held_out` are prompts answered by `object`; `two_hop`
        is null or a question with its own target, and says whether the corpus stated the answer. Under the
        alias, one wording is held out that the corpus uses with the name, so that it measures the alias alone.
        """
        world, fact = self.world, teaching.fact
        alias = world.entities[fact.subject].alias
        unstated = [i for i in teaching.seen if i not in teaching.alias_seen][:1] if alias else []
        two_hop = None
        if world.relations[fact.relation].hop:
            answer = world.two_hop(fact.relation, fact.object)
            two_hop = {"prompt": world.two_hop_prompt(fact), "target": answer, "seen": teaching.two_hop_seen}
        return {
            "subject": fact.subject,
            "kind": world.kind(fact.subject),
            "relation": fact.relation,
            "object": fact.object,
            "seen": [world.ask(fact, i) for i in teaching.seen],
            "held_out": [world.ask(fact, i) for i in self.held_out(teaching)],
            "alias_seen": [world.ask(fact, i, alias) for i in teaching.alias_seen],
            "alias_held_out": [world.ask(fact, i, alias) for i in unstated],
            "two_hop": two_hop,
        }

    def held_out(self, teaching: Teaching) -> tuple[int, ...]:
        """Wordings in which the corpus does not state a fact and in which it is asked for."""
        return teaching.held_out
