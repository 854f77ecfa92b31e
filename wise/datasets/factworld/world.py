"""The world itself: entities, and one fact for every relation of every entity."""

from __future__ import annotations

import random
from dataclasses import dataclass

from wise.datasets.factworld.names import LANGUAGES, VALUES, coin, name_entities
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.relations import EDITABLE_KINDS, RELATIONS, relations_of

COUNTS = {
    "person": "people",
    "city": "cities",
    "country": "countries",
    "organisation": "organisations",
    "work": "works",
}
"""Which option says how many entities of a kind there are."""

ALIASES = {
    "city": "Old {stem}",
    "country": "the land of {stem}",
    "organisation": "the firm {stem}",
    "work": "the book {stem}",
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
    """Entities by name, and facts by (subject, relation), both in the order of their making."""

    entities: dict[str, Entity]
    facts: dict[tuple[str, str], Fact]

    def kind(self, name: str) -> str:
        """The kind of a named entity."""
        return self.entities[name].kind

    def of_kind(self, kind: str) -> list[str]:
        """Names of all entities of a kind."""
        return [entity.name for entity in self.entities.values() if entity.kind == kind]

    def object(self, subject: str, relation: str) -> str:
        """What the world says; KeyError if the subject has no such relation."""
        return self.facts[subject, relation].object

    def facts_of(self, subject: str) -> list[Fact]:
        """All facts about one subject."""
        return [self.facts[subject, relation.name] for relation in relations_of(self.kind(subject))]

    def two_hop(self, relation: str, value: str) -> str:
        """The answer to the two-hop question of `relation` when its object is `value`."""
        return self.object(value, RELATIONS[relation].hop)


def stream(options: FactWorldOptions, *purpose: str | int) -> random.Random:
    """A generator of its own for one purpose, the same on every machine and for every hash seed."""
    return random.Random("/".join(str(part) for part in ("factworld", options.seed, *purpose)))


def build_world(options: FactWorldOptions) -> World:
    """Draw the world that `options` and their seed describe."""
    draw = stream(options, "world")
    entities = _entities(draw, options)
    world = World(entities, {})
    for subject, entity in entities.items():
        for relation in relations_of(entity.kind):
            choices = [name for name in _objects(world, relation.object) if name != subject]
            value = draw.choice(choices)
            world.facts[subject, relation.name] = Fact(subject, relation.name, value)
    _place_capitals(draw, world)
    return world


def _entities(draw: random.Random, options: FactWorldOptions) -> dict[str, Entity]:
    taken: set[str] = set()
    entities: dict[str, Entity] = {}
    for kind in EDITABLE_KINDS:
        for name in name_entities(draw, kind, getattr(options, COUNTS[kind]), taken):
            pronoun = draw.choice(sorted(TITLES)) if kind == "person" else "It"
            alias = ALIASES.get(kind) or TITLES[pronoun]
            entities[name] = Entity(name, kind, alias.format(stem=name.split()[0]), pronoun)
    values = VALUES | {"language": coin(draw, "language", LANGUAGES, taken)}
    for kind in ("occupation", "language", "genre", "industry"):
        entities.update({name: Entity(name, kind) for name in values[kind]})
    return entities


def _objects(world: World, kind: str) -> list[str]:
    return list(VALUES[kind]) if kind in VALUES else world.of_kind(kind)


def _place_capitals(draw: random.Random, world: World) -> None:
    """Put every capital into its own country: the first cities are dealt out, one a country."""
    countries = world.of_kind("country")
    cities = world.of_kind("city")
    draw.shuffle(cities)
    for country, city in zip(countries, cities, strict=False):
        world.facts[city, "country"] = Fact(city, "country", country)
        world.facts[country, "capital"] = Fact(country, "capital", city)
