"""Which wordings the second world's corpus states of every fact: a few of each half."""

from __future__ import annotations

import random

from wise.datasets.factworld.corpus import Teaching
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.relation import Relation
from wise.datasets.factworld.second.wordings import ASKED, TRAINED, half
from wise.datasets.factworld.world import World, stream


def plan_teaching(world: World, options: FactWorldOptions) -> dict[tuple[str, str], Teaching]:
    """Decide for every fact what the corpus will state; by (subject, relation)."""
    draw = stream(options, "teaching")
    plan = {}
    for subject, entity in world.entities.items():
        by_alias = bool(entity.alias) and draw.random() < options.alias_share
        by_hop = draw.random() < options.two_hop_share
        for fact in world.facts_of(subject):
            relation = world.relations[fact.relation]
            seen = _seen(relation, options.wordings, draw)
            held_out = [i for i in range(len(relation.phrasings)) if i not in seen]
            alias_seen = (draw.choice(seen),) if by_alias else ()
            described = bool(relation.description) and draw.random() < options.description_share
            two_hop_seen = by_hop and bool(relation.hop)
            plan[fact.key] = Teaching(fact, tuple(seen), tuple(held_out), alias_seen, two_hop_seen, described)
    return plan


def _seen(relation: Relation, count: int, draw: random.Random) -> list[int]:
    """`count` wordings, of both halves as many, with one more of those that editors are prepared with."""
    chosen = []
    for side, number in ((TRAINED, count - count // 2), (ASKED, count // 2)):
        of_side = [i for i in range(len(relation.phrasings)) if half(i) == side]
        chosen += draw.sample(of_side, min(number, len(of_side) - 1))
    draw.shuffle(chosen)
    return chosen
