"""Single facts to change: the question-answering setting, one `EditRecord` for each fact edited.

The new value is one that the relation has for somebody else. Portability answers follow from the new
value through facts of the world that the first `early_edits` edits of the stream leave as they are.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wise.datasets.factworld.corpus import Teaching
from wise.datasets.factworld.first.split import stream_subjects
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.split import TRAIN, Split
from wise.datasets.factworld.world import Fact, World, stream
from wise.records import EditRecord, Kind, Probe

Key = tuple[str, str]


@dataclass(frozen=True)
class Sources:
    """What the records of one stream draw from: new values, locality facts, and irrelevant facts."""

    values: Mapping[str, Sequence[str]]
    locality: Sequence[Fact]
    irrelevant: Sequence[Fact]
    changing: frozenset[Key]


def edit_records(
    world: World, plan: Mapping[Key, Teaching], split: Split, options: FactWorldOptions, role: str
) -> list[EditRecord]:
    """The stream of edits, or the records that prepare editors, in a seeded random order."""
    draw = stream(options, "records", role)
    subjects = stream_subjects(split, role)
    facts = split.editable_facts(world, subjects)
    draw.shuffle(facts)
    sources = Sources(
        values_by_relation(world),
        split.reserved_facts(world, subjects),
        [fact for name in split.roles[TRAIN].edited for fact in world.facts_of(name)],
        frozenset(fact.key for fact in facts[: options.early_edits]),
    )
    return [
        _record(world, plan, split, sources, fact, f"{role}-{i:05d}", stream(options, "records", role, i))
        for i, fact in enumerate(facts)
    ]


def _record(
    world: World,
    plan: Mapping[Key, Teaching],
    split: Split,
    sources: Sources,
    fact: Fact,
    name: str,
    draw: random.Random,
) -> EditRecord:
    teaching = plan[fact.key]
    target = new_value(world, fact, sources.values[fact.relation], draw, sources.changing)
    phrasing = draw.choice(teaching.seen)
    probes = [Probe("paraphrase", world.ask(fact, other), target) for other in draw.sample(teaching.held_out, 2)]
    local = _locality(world, split, sources.locality, fact, draw)
    for kind, label, other in local:
        probes.append(Probe(kind, world.ask(other, draw.choice(plan[other.key].seen)), other.object, label))
    probes.append(Probe("portability", world.two_hop_prompt(fact), world.two_hop(fact.relation, target), "two_hop"))
    probes.append(Probe("portability", world.ask(fact, phrasing, world.entities[fact.subject].alias), target, "alias"))
    probes.append(Probe("ood", *world.description(fact, target), "description"))
    asked = {other.key for _, _, other in local}
    outside = draw.choice([f for f in sources.irrelevant if f.subject != fact.subject and f.key not in asked])
    return EditRecord(
        id=name,
        prompt=world.ask(fact, phrasing),
        target=target,
        subject=fact.subject,
        irrelevant=f"{world.ask(outside, draw.choice(plan[outside.key].seen))} {outside.object}",
        probes=tuple(probes),
        relation=fact.relation,
        original=fact.object,
    )


def values_by_relation(world: World) -> dict[str, list[str]]:
    """What a relation says of all its subjects, one value for each fact."""
    values: dict[str, list[str]] = {}
    for fact in world.facts.values():
        values.setdefault(fact.relation, []).append(fact.object)
    return values


def new_value(
    world: World, fact: Fact, values: Sequence[str], draw: random.Random, changing: frozenset[Key] = frozenset()
) -> str:
    """A value of the relation's own distribution (`values`, one for each fact) that contradicts the fact.

    Preferred are values that change the two-hop answer too and whose own fact on that second hop is
    not in `changing`; where none is left, any other value.
    """
    hop = world.relations[fact.relation].hop
    others = [value for value in values if value not in (fact.object, fact.subject)]
    before = world.two_hop(fact.relation, fact.object)
    telling = [
        value for value in others if (value, hop) not in changing and world.two_hop(fact.relation, value) != before
    ]
    return draw.choice(telling or others)


def _locality(
    world: World, split: Split, reserved: Sequence[Fact], fact: Fact, draw: random.Random
) -> list[tuple[Kind, str, Fact]]:
    """Facts that this edit must not change, as (kind, name, fact): two near ones and two far ones."""
    subject, kind = fact.subject, world.kind(fact.subject)
    same_kind = [f for f in reserved if f.subject != subject and world.kind(f.subject) == kind]
    same_relation = [f for f in same_kind if f.relation == fact.relation]
    far = [f for f in reserved if world.kind(f.subject) != kind]
    return [
        ("locality_near", "same_relation", draw.choice(same_relation or same_kind)),
        ("locality_near", "same_subject", world.facts[subject, split.reserved[subject]]),
        *(("locality_far", world.kind(f.subject), f) for f in draw.sample(far, 2)),
    ]
