"""Documents that state something and then ask for it, so that the model learns to answer from what it has just read.

What they state is made up. They are about subjects that only editors are prepared with, and about names that belong
to nobody: the model has seen no subject of what is reported in such a document.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from wise.datasets.factworld.corpus import Document, Teaching
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.second.world import draw_value, invented_names, other_value
from wise.datasets.factworld.split import TRAIN, Split
from wise.datasets.factworld.world import Fact, World, stream

SEPARATOR = ".\n"
"""Between a statement and what follows it; retrieval's default."""

DISTRACTED, REPEATED = 0.4, 0.25
"""Shares of the documents with a second statement, and of those that ask in the wording of the statement."""


def context_documents(world: World, split: Split, options: FactWorldOptions, others: int) -> Iterator[Document]:
    """So many documents in each turn that with `others` of another kind they make up `context_share`."""
    draw = stream(options, "in context")
    names = {kind: _names(world, split, kind, options) for kind in world.kinds}
    count = round(options.context_share / (1 - options.context_share) * others)
    for turn in (turn for turn in range(options.context_turns) for _ in range(count)):
        kind = draw.choice(world.kinds)
        told = _told(world, draw.choice(names[kind]), kind, draw)
        wording, other = draw.sample(range(len(world.relations[told.relation].phrasings)), 2)
        asked = wording if draw.random() < REPEATED else other
        distractor = _distractor(world, told, names[kind], kind, draw) if draw.random() < DISTRACTED else None
        before, question = in_context(world, told, wording, asked, distractor, draw)
        text = f"{before}{question} "
        span = len(text), len(text) + len(told.object)
        yield Document("in_context", told.subject, f"{text}{told.object}.", (span,), len(before), turn)


def in_context(
    world: World, told: Fact, wording: int, asked: int, distractor: Fact | None, draw: random.Random
) -> tuple[str, str]:
    """What is to be read, the fact `told` in one wording and perhaps another fact, and the question in another."""
    statements = [f"{world.ask(told, wording)} {told.object}{SEPARATOR}"]
    if distractor is not None:
        phrasing = draw.randrange(len(world.relations[distractor.relation].phrasings))
        statements.insert(draw.randrange(2), f"{world.ask(distractor, phrasing)} {distractor.object}{SEPARATOR}")
    return "".join(statements), world.ask(told, asked)


def context_questions(world: World, teaching: Teaching, draw: random.Random) -> dict[str, dict[str, str]]:
    """A statement that contradicts what the corpus says of a fact, and the fact asked for in other words.

    Keys are those of `wise.pretraining.knowledge`: the statement alone, and with another one beside it.
    """
    kind = world.kind(teaching.fact.subject)
    told = replace(teaching.fact, object=other_value(world, teaching.fact, draw))
    wording, asked = draw.choice(teaching.seen), draw.choice(teaching.held_out)
    questions = {}
    for name in ("in_context", "in_context_distracted"):
        distracted = name == "in_context_distracted"
        distractor = _distractor(world, told, world.of_kind(kind), kind, draw) if distracted else None
        before, question = in_context(world, told, wording, asked, distractor, draw)
        questions[name] = {"prompt": before + question, "target": told.object}
    return questions


def _names(world: World, split: Split, kind: str, options: FactWorldOptions) -> list[str]:
    """As many of training subjects, each several times, as belong to nobody."""
    known = [name for name in split.roles[TRAIN].edited if world.kind(name) == kind]
    invented = invented_names(world, kind, options)
    return [*known * max(1, len(invented) // len(known)), *invented]


def _told(world: World, subject: str, kind: str, draw: random.Random) -> Fact:
    relation = draw.choice(world.relations_of(kind))
    return Fact(subject, relation.name, draw_value(world, relation, draw))


def _distractor(world: World, told: Fact, names: Sequence[str], kind: str, draw: random.Random) -> Fact:
    """Another relation of the subject, or the relation of another subject."""
    if draw.random() < 0.5:
        others = [relation for relation in world.relations_of(kind) if relation.name != told.relation]
        relation, subject = draw.choice(others), told.subject
    else:
        relation, subject = world.relations[told.relation], draw.choice([n for n in names if n != told.subject])
    return Fact(subject, relation.name, draw_value(world, relation, draw))
