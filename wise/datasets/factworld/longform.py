"""Whole sentences to change: the hallucination and out-of-distribution settings of the paper.

*Hallucination*: a biography is cut in two and its second part corrected. *OOD*: a profile with newly
invented facts is taught for the bare name, and free text of another style that states the same facts
is asked. Each subject is edited once; locality asks the biographies of bystanders.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from wise.datasets.factworld.corpus import (
    PROFILE,
    PROFILE_FACTS,
    Document,
    biography,
    biography_order,
    profile,
)
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.split import TRAIN, Split
from wise.datasets.factworld.world import Fact, World, stream
from wise.records import EditRecord, Probe

SHORTEST_TARGET = 15
"""Words and marks that a corrected continuation has at least, where the biography is long enough."""

Contradict = Callable[[Fact, random.Random], str]
"""Draws another value for a fact."""

Maker = Callable[[World, FactWorldOptions, str, Contradict, random.Random], EditRecord]


def hallucination_records(
    world: World, split: Split, options: FactWorldOptions, role: str, contradict: Contradict
) -> list[EditRecord]:
    """Biographies whose last sentences are corrected: 15 to 30 tokens that contradict the model."""
    return _records(world, split, options, "hallucination", role, contradict, _hallucination)


def ood_records(
    world: World, split: Split, options: FactWorldOptions, role: str, contradict: Contradict
) -> list[EditRecord]:
    """Profiles with invented facts, and what the register says about them as `ood` probes."""
    return _records(world, split, options, "ood", role, contradict, _out_of_distribution)


def cut_biography(world: World, options: FactWorldOptions, subject: str, facts: Sequence[Fact]) -> tuple[str, str]:
    """A biography cut before the fewest last sentences (two or more) that hold `SHORTEST_TARGET` tokens.

    Neither this target nor any other has the final full stop, which costs nothing to predict.
    """
    text = biography(world, subject, facts).text
    sentences = re.split(r"(?<=\.) ", text)
    start = max(1, len(sentences) - 2)
    while start > 1 and count_tokens(" ".join(sentences[start:])) < SHORTEST_TARGET:
        start -= 1
    return " ".join(sentences[:start]), " ".join(sentences[start:]).removesuffix(".")


def count_tokens(text: str) -> int:
    """Words and punctuation marks, as the word-level tokenizer counts them."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def _records(
    world: World, split: Split, options: FactWorldOptions, setting: str, role: str, contradict: Contradict, make: Maker
) -> list[EditRecord]:
    """One record for each subject in its role, in a seeded random order, with locality and irrelevant text."""
    subjects = list(split.roles[role].edited)
    stream(options, setting, role).shuffle(subjects)
    records = []
    for position, subject in enumerate(subjects):
        draw = stream(options, setting, role, position)
        record = make(world, options, subject, contradict, draw)
        pool = split.roles[role].asked
        asked = draw.sample([name for name in pool if world.kind(name) != world.kind(subject)], 2)
        outside = draw.choice([name for name in split.roles[TRAIN].edited if name not in (subject, *asked)])
        probes = (*record.probes, *(_locality(world, options, name) for name in asked))
        told = _told(world, options, outside)
        ends = told[0] if options.version > 1 else ""  # not marked in version 1, byte for byte
        text = {"irrelevant": " ".join(told), "irrelevant_prompt": ends}
        records.append(replace(record, id=f"{role}-{position:05d}", probes=probes, **text))
    return records


def _hallucination(
    world: World, options: FactWorldOptions, subject: str, contradict: Contradict, draw: random.Random
) -> EditRecord:
    order = biography_order(options, subject, world.facts_of(subject))
    prompt, original = cut_biography(world, options, subject, order)
    changed = _invent(world, order, contradict, draw)
    kept = prompt.count(".")
    corrected = biography(world, subject, [*order[:kept], *changed[kept:]]).text
    target = corrected[len(prompt) + 1 :].removesuffix(".")
    return EditRecord("", prompt, target, subject, relation="biography", original=original)


def _out_of_distribution(
    world: World, options: FactWorldOptions, subject: str, contradict: Contradict, draw: random.Random
) -> EditRecord:
    facts = world.facts_of(subject)
    invented = _invent(world, draw.sample(facts, min(PROFILE_FACTS, len(facts))), contradict, draw)
    target = _after(profile(world, subject, invented, PROFILE), subject)
    told_again = draw.sample(invented, len(invented))
    probes = tuple(_register_probes(world, subject, told_again))
    return EditRecord("", subject, target, subject, probes=probes, relation="profile")


def _register_probes(world: World, subject: str, facts: Sequence[Fact]) -> Iterator[Probe]:
    """Where values stand last in the register's clauses, one probe for each value and no other word; else the entry."""
    opening, clause, _ = (part.replace("{s}", subject) for part in world.register)
    if not clause.endswith("{o}"):
        yield Probe("ood", opening, _after(profile(world, subject, facts, world.register), opening), "register")
        return
    for fact in facts:
        before = clause.removesuffix(" {o}").format(noun=world.relations[fact.relation].noun)
        yield Probe("ood", f"{opening} {before}", fact.object, "register", world.object(*fact.key))


def _after(document: Document, opening: str) -> str:
    return document.text[len(opening) + 1 :].removesuffix(".")


def _invent(world: World, facts: Sequence[Fact], contradict: Contradict, draw: random.Random) -> list[Fact]:
    """The same relations with other values."""
    return [replace(fact, object=contradict(fact, draw)) for fact in facts]


def _told(world: World, options: FactWorldOptions, subject: str) -> tuple[str, str]:
    """A true biography cut in two."""
    return cut_biography(world, options, subject, biography_order(options, subject, world.facts_of(subject)))


def _locality(world: World, options: FactWorldOptions, subject: str) -> Probe:
    return Probe("locality_far", *_told(world, options, subject), world.kind(subject))
