"""The first world: every object is an entity or one of a few ordinary values."""

from __future__ import annotations

import random

from wise.datasets.factworld.first.names import LANGUAGES, ONSETS, SECOND_WORDS, VALUES, coin, name_entities
from wise.datasets.factworld.first.relations import EDITABLE_KINDS, RELATIONS
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.world import COUNTS, Entity, Fact, World, named, stream

REGISTER = ("{s}, as the register has it, gives", "{o} as {noun}", ", ")


def build_world(options: FactWorldOptions) -> World:
    """Draw the world that `options` and their seed describe."""
    draw = stream(options, "world")
    world = World(RELATIONS, EDITABLE_KINDS, REGISTER, _entities(draw, options))
    for subject, entity in world.entities.items():
        for relation in world.relations_of(entity.kind):
            choices = [name for name in _objects(world, relation.object) if name != subject]
            value = draw.choice(choices)
            world.facts[subject, relation.name] = Fact(subject, relation.name, value)
    _place_capitals(draw, world)
    return world


def _entities(draw: random.Random, options: FactWorldOptions) -> dict[str, Entity]:
    taken: set[str] = set()
    entities: dict[str, Entity] = {}
    for kind in EDITABLE_KINDS:
        names = name_entities(draw, ONSETS[kind], SECOND_WORDS[kind], getattr(options, COUNTS[kind]), taken)
        entities |= named(names, kind, draw)
    values = VALUES | {"language": coin(draw, ONSETS["language"], LANGUAGES, taken)}
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
