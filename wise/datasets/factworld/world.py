"""What a world is: entities, and one fact for every relation of every entity."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.relation import Relation

COUNTS = {
    "person": "people",
    "city": "cities",
    "country": "countries",
    "organisation": "organisations",
    "work": "works",
    "ship": "ships",
}
"""Which option says how many entities of a kind there are."""

ALIASES = {
    "city": "Old {stem}",
    "country": "the land of {stem}",
    "organisation": "the firm {stem}",
    "work": "the book {stem}",
    "ship": "the vessel {stem}",
}
TITLES = {"She": "Lady {stem}", "He": "Sir {stem}"}


@dataclass(frozen=True)
class Entity:
    """Something with a name; `alias` is a second name and empty for values such as occupations."""

    name: str
    kind: str
    alias: str = ""
    pronoun: str = "It"


@dataclass(frozen=True)
class Fact:
    """`relation` of `subject` is `object`; the key of a fact is (subject, relation)."""

    subject: str
    relation: str
    object: str

    @property
    def key(self) -> tuple[str, str]:
        """What an edit changes: this subject's value of this relation."""
        return self.subject, self.relation


@dataclass(frozen=True)
class World:
    """Entities by name, and facts by (subject, relation), both in the order of their making.

    `relations` by name; `kinds` are those whose entities have an alias and a biography, and whose facts can be edited.
    `register` is how the register words its entries: opening, clause, and what stands between clauses.
    """

    relations: Mapping[str, Relation]
    kinds: tuple[str, ...]
    register: tuple[str, str, str]
    entities: dict[str, Entity] = field(default_factory=dict)
    facts: dict[tuple[str, str], Fact] = field(default_factory=dict)

    def kind(self, name: str) -> str:
        """The kind of a named entity."""
        return self.entities[name].kind

    def of_kind(self, kind: str) -> list[str]:
        """Names of all entities of a kind."""
        return [entity.name for entity in self.entities.values() if entity.kind == kind]

    def relations_of(self, kind: str) -> list[Relation]:
        """The relations whose subjects are of `kind`, in the order of the tables."""
        return [relation for relation in self.relations.values() if relation.subject == kind]

    def object(self, subject: str, relation: str) -> str:
        """What the world says; KeyError if the subject has no such relation."""
        return self.facts[subject, relation].object

    def facts_of(self, subject: str) -> list[Fact]:
        """All facts about one subject."""
        return [self.facts[subject, relation.name] for relation in self.relations_of(self.kind(subject))]

    def ask(self, fact: Fact, phrasing: int, subject: str | None = None) -> str:
        """The prompt of a fact in one of its phrasings, of its subject or under another name."""
        name = fact.subject if subject is None else subject
        return sentence_case(self.relations[fact.relation].phrasings[phrasing].format(s=name))

    def two_hop(self, relation: str, value: str) -> str:
        """The answer to the two-hop question of `relation` when its object is `value`."""
        return self.object(value, self.relations[relation].hop)

    def two_hop_prompt(self, fact: Fact) -> str:
        """The question whose answer follows from this fact and one more."""
        return self.relations[fact.relation].two_hop.format(s=fact.subject)

    def description(self, fact: Fact, value: str) -> tuple[str, str]:
        """Free text that states the fact with `value`, cut into prompt and target."""
        prompt, target = self.relations[fact.relation].description.format(s=fact.subject, o=value).split("|")
        return prompt, target


def stream(options: FactWorldOptions, *purpose: str | int) -> random.Random:
    """A generator of its own for one purpose, the same on every machine and for every hash seed."""
    return random.Random("/".join(str(part) for part in ("factworld", options.seed, *purpose)))


def named(names: list[str], kind: str, draw: random.Random) -> dict[str, Entity]:
    """Entities of a kind that can be edited, each with pronoun and alias, by name."""
    entities = {}
    for name in names:
        pronoun = draw.choice(sorted(TITLES)) if kind == "person" else "It"
        alias = ALIASES.get(kind) or TITLES[pronoun]
        entities[name] = Entity(name, kind, alias.format(stem=name.split()[0]), pronoun)
    return entities


def sentence_case(text: str) -> str:
    """First letter upper case; names keep theirs."""
    return text[0].upper() + text[1:]
