"""Who is edited and who is only asked about, in each file of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wise.datasets.factworld.world import Fact, World

TRAIN, DEVELOPMENT, EDIT = "train", "development", "edit"
"""Roles of subjects: to prepare editors, to choose their options, to be reported."""


@dataclass(frozen=True)
class Role:
    """Subjects that are edited in one file of records, and those that are only asked about."""

    edited: tuple[str, ...]
    asked: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """Subjects by role, and of every subject the one relation that is never edited."""

    roles: dict[str, Role]
    reserved: dict[str, str]

    def reserved_facts(self, world: World, subjects: Sequence[str]) -> list[Fact]:
        """The one fact of each of `subjects` that no edit touches."""
        return [world.facts[name, self.reserved[name]] for name in subjects]

    def editable_facts(self, world: World, subjects: Sequence[str]) -> list[Fact]:
        """Every fact of `subjects` but their reserved one."""
        return [fact for name in subjects for fact in world.facts_of(name) if fact.relation != self.reserved[name]]
