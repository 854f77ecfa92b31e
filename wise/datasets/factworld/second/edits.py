"""Single facts to change in the second world, one `EditRecord` for each fact edited.

Training records ask and paraphrase in one half of the wordings. Those of the stream and of development are edited in
the same half and paraphrased in the other, in wordings in which the corpus does not state the fact.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from wise.datasets.factworld.corpus import Teaching
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.second.wordings import ASKED, TRAINED, half
from wise.datasets.factworld.second.world import other_value
from wise.datasets.factworld.split import TRAIN, Split
from wise.datasets.factworld.world import Fact, World, stream
from wise.records import EditRecord, Probe

Key = tuple[str, str]


@dataclass(frozen=True)
class Writer:
    """Writes the records of one role: `asked` are facts that its edits leave alone, `outside` facts for other texts."""

    world: World
    plan: Mapping[Key, Teaching]
    split: Split
    role: str
    asked: tuple[Fact, ...]
    outside: tuple[Fact, ...]

    def record(self, fact: Fact, name: str, draw: random.Random) -> EditRecord:
        """One edit with all that is asked about it."""
        world, teaching = self.world, self.plan[fact.key]
        target = other_value(world, fact, draw)
        wording = draw.choice(_of(TRAINED, teaching.seen))
        paraphrases = draw.sample(_of(TRAINED if self.role == TRAIN else ASKED, teaching.held_out), 2)
        probes = [
            Probe("paraphrase", world.ask(fact, other), target, f"wording {fact.relation}/{other}")
            for other in paraphrases
        ]
        probes += self._locality(fact, draw)
        probes += self._consequences(fact, target, wording)
        asked = {probe.prompt for probe in probes}
        irrelevant, irrelevant_prompt = self.unrelated(fact, asked, draw)
        return EditRecord(
            id=name,
            prompt=world.ask(fact, wording),
            target=target,
            subject=fact.subject,
            irrelevant=irrelevant,
            irrelevant_prompt=irrelevant_prompt,
            probes=tuple(probes),
            relation=fact.relation,
            original=fact.object,
        )

    def unrelated(self, fact: Fact, asked: Collection[str], draw: random.Random) -> tuple[str, str]:
        """A text about another subject that none of the questions `asked` is, with its answer; and its prompt alone."""
        other = draw.choice([f for f in self.outside if f.subject != fact.subject])
        prompt = next(text for text in self._texts(other, draw) if text not in asked)
        return f"{prompt} {other.object}", prompt

    def text(self, fact: Fact, draw: random.Random) -> str:
        """One way to ask for a fact that the corpus states."""
        return next(self._texts(fact, draw))

    def _texts(self, fact: Fact, draw: random.Random) -> Iterator[str]:
        """Ways to ask for a fact that the corpus states, in random order; to train with, of one half alone."""
        wordings = self.plan[fact.key].seen
        for wording in draw.sample(wordings, len(wordings)):
            if self.role != TRAIN or half(wording) == TRAINED:
                yield self.world.ask(fact, wording)

    def _locality(self, fact: Fact, draw: random.Random) -> Iterator[Probe]:
        """Facts that this edit must not change: two near ones, and two about other kinds of subjects."""
        world, kind = self.world, self.world.kind(fact.subject)
        same_kind = [f for f in self.asked if f.subject != fact.subject and world.kind(f.subject) == kind]
        same_relation = [f for f in same_kind if f.relation == fact.relation]
        own = world.facts[fact.subject, self.split.reserved[fact.subject]]
        far = draw.sample([f for f in self.asked if world.kind(f.subject) != kind], 2)
        near = (("same_relation", draw.choice(same_relation or same_kind)), ("same_subject", own))
        for name, other in near:
            yield Probe("locality_near", self.text(other, draw), other.object, name)
        for other in far:
            yield Probe("locality_far", self.text(other, draw), other.object, world.kind(other.subject))

    def _consequences(self, fact: Fact, target: str, wording: int) -> Iterator[Probe]:
        """Questions whose answers follow from the edit, with the answers before it."""
        world, teaching = self.world, self.plan[fact.key]
        if world.relations[fact.relation].hop:
            hops = (world.two_hop(fact.relation, value) for value in (target, fact.object))
            prompt = world.two_hop_prompt(fact)
            after, before = hops
            yield Probe("portability", prompt, after, "two_hop", before)
        alias = world.ask(fact, wording, world.entities[fact.subject].alias)
        yield Probe("portability", alias, target, "alias", fact.object)
        if not teaching.described:
            prompt, text = world.description(fact, target)
            yield Probe("ood", f"{prompt} {text[: text.index(target)].strip()}", target, "description", fact.object)


def make_writer(world: World, plan: Mapping[Key, Teaching], split: Split, role: str) -> Writer:
    """The writer of a role, with what its records ask about beside their edits."""
    asked = split.roles[role].asked
    everything = [fact for name in asked for fact in world.facts_of(name)]
    outside = [fact for name in split.roles[TRAIN].edited for fact in world.facts_of(name)]
    kept = split.reserved_facts(world, asked) if role == TRAIN else everything
    return Writer(world, plan, split, role, tuple(kept), tuple(outside))


def edit_records(
    world: World, plan: Mapping[Key, Teaching], split: Split, options: FactWorldOptions, role: str
) -> list[EditRecord]:
    """The records of one role in a seeded random order."""
    facts = split.editable_facts(world, split.roles[role].edited)
    stream(options, "records", role).shuffle(facts)
    writer = make_writer(world, plan, split, role)
    return [writer.record(fact, f"{role}-{i:05d}", stream(options, "records", role, i)) for i, fact in enumerate(facts)]


def _of(side: int, wordings: tuple[int, ...]) -> list[int]:
    return [wording for wording in wordings if half(wording) == side]
