"""The second world: subjects that are never answers, and answers that are drawn for each fact alone."""

from __future__ import annotations

import random

from wise.datasets.factworld.first.names import coin, name_entities
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.relation import Relation
from wise.datasets.factworld.second.names import (
    LANGUAGES,
    ONSETS,
    SCRIPTS,
    SECOND_WORDS,
    WORDS,
    compose,
    contradict,
)
from wise.datasets.factworld.second.relations import KINDS, RELATIONS
from wise.datasets.factworld.world import COUNTS, Entity, Fact, World, named, stream

REGISTER = ("{s}, in the register:", "{noun} {o}", ", ")

INVENTED = "invented"
"""Kind of the names that stand in documents with a context alone; with a person's, "invented person"."""


def build_world(options: FactWorldOptions) -> World:
    """Draw the world that `options` and their seed describe."""
    draw = stream(options, "world")
    world = World(RELATIONS, KINDS, REGISTER, _entities(draw, options))
    for subject, entity in world.entities.items():
        for relation in world.relations_of(entity.kind):
            value = draw_value(world, relation, draw)
            world.facts[subject, relation.name] = Fact(subject, relation.name, value)
    return world


def draw_value(world: World, relation: Relation, draw: random.Random) -> str:
    """Any answer that the relation can have."""
    if relation.object in WORDS:
        return compose(relation.object, draw)
    return draw.choice(SCRIPTS if relation.object == "script" else world.of_kind(relation.object))


def other_value(world: World, fact: Fact, draw: random.Random) -> str:
    """Another answer: another word in every place, or an entity with which the two-hop answer changes too."""
    relation = world.relations[fact.relation]
    if relation.object in WORDS:
        return contradict(relation.object, fact.object, draw)
    others = [value for value in world.of_kind(relation.object) if value != fact.object]
    before = world.two_hop(relation.name, fact.object)
    telling = [value for value in others if world.two_hop(relation.name, value) != before]
    return draw.choice(telling or others)


def _entities(draw: random.Random, options: FactWorldOptions) -> dict[str, Entity]:
    taken: set[str] = set()
    entities: dict[str, Entity] = {}
    for kind in KINDS:
        names = name_entities(draw, ONSETS[kind], SECOND_WORDS[kind], getattr(options, COUNTS[kind]), taken)
        entities |= named(names, kind, draw)
    counts = {"city": options.cities, "country": options.countries, "language": LANGUAGES}
    for kind, count in counts.items():
        entities |= {name: Entity(name, kind) for name in coin(draw, ONSETS[kind], count, taken)}
    return entities


def invented_names(world: World, kind: str, options: FactWorldOptions) -> list[str]:
    """Names that sound like the kind's and belong to nobody."""
    taken = {word for name in world.entities for word in name.split()}
    draw = stream(options, INVENTED, kind)
    return name_entities(draw, ONSETS[kind], SECOND_WORDS[kind], options.invented, taken)
