"""Which wordings the first world's corpus states of every fact: three or four of six."""

from __future__ import annotations

from wise.datasets.factworld.corpus import Teaching
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.world import World, stream

SPARSE_SEEN, DENSE_SEEN = 3, 4


def plan_teaching(world: World, options: FactWorldOptions) -> dict[tuple[str, str], Teaching]:
    """Decide for every fact what the corpus will state; by (subject, relation)."""
    draw = stream(options, "teaching")
    plan = {}
    for subject, entity in world.entities.items():
        sparse = draw.random() < options.sparse_share
        by_alias = bool(entity.alias) and draw.random() < options.alias_share
        by_hop = draw.random() < options.two_hop_share
        for fact in world.facts_of(subject):
            order = list(range(len(world.relations[fact.relation].phrasings)))
            draw.shuffle(order)
            count = SPARSE_SEEN if sparse else DENSE_SEEN
            alias_seen = (draw.choice(order),) if by_alias else ()
            described = bool(world.relations[fact.relation].description) and draw.random() < options.description_share
            two_hop_seen = by_hop and bool(world.relations[fact.relation].hop)
            plan[fact.key] = Teaching(
                fact, tuple(order[:count]), tuple(order[count:]), alias_seen, two_hop_seen, described
            )
    return plan
