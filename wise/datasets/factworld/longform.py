"""Whole sentences to change: the hallucination and out-of-distribution settings of the paper.

*Hallucination*: a biography is cut in two and its second part corrected. *OOD*: a profile with newly
invented facts is taught for the bare name, and free text of another style that states the same facts
is asked. Each subject is edited once; locality asks the biographies of bystanders.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from wise.datasets.factworld.corpus import (
    PROFILE,
    PROFILE_FACTS,
    REGISTER,
    Document,
    biography,
    biography_order,
    profile,
)
from wise.datasets.factworld.edits import new_value
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.split import Split
from wise.datasets.factworld.world import Fact, World, stream
from wise.records import EditRecord, Probe

SHORTEST_TARGET = 15
"""Words and marks that a corrected continuation has at least, where the biography is long enough."""

Values = Mapping[str, Sequence[str]]
Maker = Callable[[World, FactWorldOptions, str, Values, random.Random], EditRecord]


def hallucination_records(
    world: World, split: Split, options: FactWorldOptions, train: bool = False
) -> list[EditRecord]:
    """Biographies whose last sentences are corrected: 15 to 30 tokens that contradict the model."""
    return _records(world, split, options, "hallucination", train, _hallucination)


def ood_records(world: World, split: Split, options: FactWorldOptions, train: bool = False) -> list[EditRecord]:
    """Profiles with invented facts, each with one register entry on the same facts as `ood` probe."""
    return _records(world, split, options, "ood", train, _out_of_distribution)


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
    world: World, split: Split, options: FactWorldOptions, setting: str, train: bool, make: Maker
) -> list[EditRecord]:
    """One record for each subject in its role, in a seeded random order, with locality and irrelevant text."""
    role = "train" if train else "edit"
    values: dict[str, list[str]] = {}
    for fact in world.facts.values():
        values.setdefault(fact.relation, []).append(fact.object)
    subjects = list(split.train if train else split.edited)
    stream(options, setting, role).shuffle(subjects)
    records = []
    for position, subject in enumerate(subjects):
        draw = stream(options, setting, role, position)
        record = make(world, options, subject, values, draw)
        pool = split.train if train else split.bystanders
        asked = draw.sample([name for name in pool if world.kind(name) != world.kind(subject)], 2)
        outside = draw.choice([name for name in split.train if name not in (subject, *asked)])
        probes = (*record.probes, *(_locality(world, options, name) for name in asked))
        irrelevant = " ".join(_told(world, options, outside))
        records.append(replace(record, id=f"{role}-{position:05d}", irrelevant=irrelevant, probes=probes))
    return records


def _hallucination(
    world: World, options: FactWorldOptions, subject: str, values: Values, draw: random.Random
) -> EditRecord:
    order = biography_order(options, subject, world.facts_of(subject))
    prompt, original = cut_biography(world, options, subject, order)
    changed = _invent(world, order, values, draw)
    kept = prompt.count(".")
    corrected = biography(world, subject, [*order[:kept], *changed[kept:]]).text
    target = corrected[len(prompt) + 1 :].removesuffix(".")
    return EditRecord("", prompt, target, subject, relation="biography", original=original)


def _out_of_distribution(
    world: World, options: FactWorldOptions, subject: str, values: Values, draw: random.Random
) -> EditRecord:
    facts = world.facts_of(subject)
    invented = _invent(world, draw.sample(facts, min(PROFILE_FACTS, len(facts))), values, draw)
    target = _after(profile(world, subject, invented, PROFILE), subject)
    told_again = draw.sample(invented, len(invented))
    opening = REGISTER[0].format(s=subject)
    probe = Probe("ood", opening, _after(profile(world, subject, told_again, REGISTER), opening), "register")
    return EditRecord("", subject, target, subject, probes=(probe,), relation="profile")


def _after(document: Document, opening: str) -> str:
    return document.text[len(opening) + 1 :].removesuffix(".")


def _invent(world: World, facts: Sequence[Fact], values: Values, draw: random.Random) -> list[Fact]:
    """The same relations with other values."""
    return [replace(fact, object=new_value(world, fact, values[fact.relation], draw)) for fact in facts]


def _told(world: World, options: FactWorldOptions, subject: str) -> tuple[str, str]:
    """A true biography cut in two."""
    return cut_biography(world, options, subject, biography_order(options, subject, world.facts_of(subject)))


def _locality(world: World, options: FactWorldOptions, subject: str) -> Probe:
    return Probe("locality_far", *_told(world, options, subject), world.kind(subject))
