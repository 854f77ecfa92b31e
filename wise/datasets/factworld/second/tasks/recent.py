"""Facts about somebody new: the corpus never named the subject, and the model has read no answer.

The names are made of words that the model knows, in combinations that no name and no answer of the world has: to a
tokenizer of whole words every coined name would be the same unknown one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice, product

from wise.datasets.factworld.second.edits import Writer
from wise.datasets.factworld.second.names import FAMILY as FAMILIES
from wise.datasets.factworld.second.names import FORMS, GIVEN, HOUSES, HUES, SHIPS, TREES
from wise.datasets.factworld.second.wordings import ASKED, TRAINED, half
from wise.datasets.factworld.second.world import draw_value
from wise.datasets.factworld.split import TRAIN
from wise.datasets.factworld.world import Fact, World
from wise.records import EditRecord, Probe

NAMES = {
    "person": (GIVEN, GIVEN, FAMILIES),
    "organisation": (HUES, TREES, HOUSES),
    "work": (TREES, HUES, FORMS),
    "ship": (HUES, TREES, SHIPS),
}
"""For each kind of subject, the words of each place of a new name."""


def new_names(kind: str, draw: random.Random) -> list[str]:
    """All new names of a kind in random order, no word twice in one."""
    names = [" ".join(words) for words in product(*NAMES[kind]) if len(set(words)) == len(words)]
    draw.shuffle(names)
    return names


def new_facts(world: World, part: slice, draw: random.Random) -> list[Fact]:
    """One fact for each of the new subjects number `part` of every kind, in random order.

    `draw` gives every part the same names in the same order, so that parts which do not overlap share no subject.
    """
    facts = []
    for kind in world.kinds:
        names, relations = new_names(kind, draw), world.relations_of(kind)
        for place, name in islice(enumerate(names), part.start, part.stop):
            relation = relations[place % len(relations)]
            facts.append(Fact(name, relation.name, draw_value(world, relation, random.Random(f"{name}/recent"))))
    return facts


def recent_record(writer: Writer, fact: Fact, name: str, draw: random.Random) -> EditRecord:
    """One edit that tells a new fact; what must not change are facts of subjects that the model knows."""
    world, relation = writer.world, writer.world.relations[fact.relation]
    wordings = [i for i, text in enumerate(relation.phrasings) if "?" not in text]
    first, second = ([i for i in wordings if half(i) == side] for side in (TRAINED, ASKED))
    wording = draw.choice(first)
    others = [i for i in (first if writer.role == TRAIN else second) if i != wording]
    probes = [
        Probe("paraphrase", world.ask(fact, other), fact.object, f"wording {fact.relation}/{other}")
        for other in draw.sample(others, 2)
    ]
    probes += _locality(writer, fact, draw)
    if relation.hop:
        probes.append(
            Probe("portability", world.two_hop_prompt(fact), world.two_hop(fact.relation, fact.object), "two_hop")
        )
    irrelevant, irrelevant_prompt = writer.unrelated(fact, {probe.prompt for probe in probes}, draw)
    return EditRecord(
        id=name,
        prompt=world.ask(fact, wording),
        target=fact.object,
        subject=fact.subject,
        irrelevant=irrelevant,
        irrelevant_prompt=irrelevant_prompt,
        probes=tuple(probes),
        relation=fact.relation,
        task="recent",
    )


def _locality(writer: Writer, fact: Fact, draw: random.Random) -> Iterator[Probe]:
    """The relation of a known subject of the kind, and two facts about other kinds."""
    kind = next(relation.subject for name, relation in writer.world.relations.items() if name == fact.relation)
    near = [known for known in writer.asked if known.relation == fact.relation]
    far = [known for known in writer.asked if writer.world.kind(known.subject) != kind]
    for known in draw.sample(near, min(1, len(near))):
        yield Probe("locality_near", writer.text(known, draw), known.object, "same_relation")
    for known in draw.sample(far, 2):
        yield Probe("locality_far", writer.text(known, draw), known.object, writer.world.kind(known.subject))
