"""Who is edited and who is only asked about: the division of subjects and facts.

* *Train* subjects prepare editors and lend irrelevant texts; no evaluation ever edits or asks them.
* Every other subject keeps one *reserved* fact, dealt out evenly over the relations. Reserved facts
  are never edited, at any length of the stream, and locality probes ask nothing else, so no edit can
  make the answer of another edit's locality probe a wrong one.
* *Bystanders* are subjects that the long-form edits leave alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.relations import EDITABLE_KINDS, relations_of
from wise.datasets.factworld.world import Fact, World, stream


@dataclass(frozen=True)
class Split:
    """Subjects by role, and of every subject the one relation that is never edited."""

    train: tuple[str, ...]
    bystanders: tuple[str, ...]
    edited: tuple[str, ...]
    reserved: dict[str, str]

    def stream_subjects(self, train: bool) -> tuple[str, ...]:
        """Whose single facts are edited: everybody but the train subjects, or these."""
        return self.train if train else (*self.bystanders, *self.edited)


def divide(world: World, options: FactWorldOptions) -> Split:
    """Draw the roles of all editable subjects, kind by kind so that each kind is in each role."""
    draw = stream(options, "split")
    train: list[str] = []
    bystanders: list[str] = []
    edited: list[str] = []
    reserved: dict[str, str] = {}
    for kind in EDITABLE_KINDS:
        names = world.of_kind(kind)
        draw.shuffle(names)
        first = max(2, round(options.train_share * len(names)))
        second = first + max(1, round(options.bystander_share * len(names)))
        relations = relations_of(kind)
        for position, name in enumerate(names):
            reserved[name] = relations[position % len(relations)].name
        train += names[:first]
        bystanders += names[first:second]
        edited += names[second:]
    return Split(tuple(train), tuple(bystanders), tuple(edited), reserved)


def editable_facts(world: World, split: Split, subjects: Sequence[str]) -> list[Fact]:
    """Every fact of `subjects` but their reserved one."""
    return [fact for name in subjects for fact in world.facts_of(name) if fact.relation != split.reserved[name]]


def reserved_facts(world: World, split: Split, subjects: Sequence[str]) -> list[Fact]:
    """The one fact of each of `subjects` that no edit touches."""
    return [world.facts[name, split.reserved[name]] for name in subjects]
