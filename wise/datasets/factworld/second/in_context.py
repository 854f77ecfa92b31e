"""Documents that state something and then ask for it, so that the model learns to answer from what it has just read.

What they state is made up. They are about subjects that only editors are prepared with, and about names that stand
nowhere else: the model has seen no subject of what is reported in such a document. Of half of these names the corpus
states facts too, so that the model meets many statements that contradict what it knows, and learns to believe them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from wise.datasets.factworld.corpus import Document, Teaching, fill
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.second.world import draw_value, invented_names, other_value
from wise.datasets.factworld.split import TRAIN, Split
from wise.datasets.factworld.world import Fact, World, stream

SEPARATOR = ".\n"
"""Between a statement and what follows it; retrieval's default."""

PAIRS = 0.4
"""Share of the documents that state two facts and ask for both; the others state one and ask for it twice."""

KNOWN = 0.8
"""Share of the documents about somebody of whom the corpus states facts."""

TOLD = 2
"""Wordings in which each fact of an invented name is stated."""


class Readers:
    """Whom such documents are about: `known` and `unknown` names by kind, and the `facts` told of invented ones."""

    def __init__(self, world: World, split: Split, options: FactWorldOptions) -> None:
        draw = stream(options, "readers")
        self.known: dict[str, list[str]] = {}
        self.unknown: dict[str, list[str]] = {}
        self.facts: list[Fact] = []
        for kind in world.kinds:
            invented = invented_names(world, kind, options)
            taught, self.unknown[kind] = invented[: len(invented) // 2], invented[len(invented) // 2 :]
            self.known[kind] = [name for name in split.roles[TRAIN].edited if world.kind(name) == kind] + taught
            self.facts += [
                Fact(name, relation.name, draw_value(world, relation, draw))
                for name in taught
                for relation in world.relations_of(kind)
            ]

    def names(self, kind: str, draw: random.Random) -> list[str]:
        """Names of one kind: of whom the corpus states facts, or of whom it does not."""
        return (self.known if draw.random() < KNOWN or not self.unknown[kind] else self.unknown)[kind]

    def documents(self, world: World, options: FactWorldOptions) -> Iterator[Document]:
        """Statements of the facts of invented names."""
        draw = stream(options, "readers told")
        for fact in self.facts:
            for wording in draw.sample(range(len(world.relations[fact.relation].phrasings)), TOLD):
                yield fill("fact", fact.subject, [(world.ask(fact, wording), fact.object, ".")])


def context_documents(world: World, readers: Readers, options: FactWorldOptions, others: int) -> Iterator[Document]:
    """So many documents in each turn that with `others` of another kind they make up `context_share`."""
    draw = stream(options, "in context")
    answers = [fact for fact in world.facts.values() if world.kind(fact.subject) in world.kinds]
    words = {fact.relation: len(fact.object.split()) for fact in answers}
    # The more words an answer has, the more there is to learn of how to repeat it.
    relations = [world.relations[name] for name in sorted(words) for _ in range(words[name])]
    count = round(options.context_share / (1 - options.context_share) * others)
    for turn in (turn for turn in range(options.context_turns) for _ in range(count)):
        relation = draw.choice(relations)
        names = readers.names(relation.subject, draw)
        told = Fact(draw.choice(names), relation.name, draw_value(world, relation, draw))
        other = _distractor(world, told, names, relation.subject, draw) if draw.random() < PAIRS else told
        yield _document(world, list(dict.fromkeys((told, other))), [told, other], turn, draw)


def _document(world: World, stated: list[Fact], asked: list[Fact], turn: int, draw: random.Random) -> Document:
    """Statements, then questions in any order and in wordings of their own, each with its answer."""
    draw.shuffle(stated)
    draw.shuffle(asked)
    read = "".join(f"{world.ask(fact, _wording(world, fact, draw))} {fact.object}{SEPARATOR}" for fact in stated)
    text, answers = read, []
    for fact in asked:
        text += f"{world.ask(fact, _wording(world, fact, draw))} "
        answers.append((len(text), len(text) + len(fact.object)))
        text += f"{fact.object}{SEPARATOR}"
    return Document("in_context", stated[0].subject, text.rstrip(), tuple(answers), len(read), turn)


def in_context(
    world: World, told: Fact, wording: int, asked: int, distractor: Fact | None, draw: random.Random
) -> tuple[str, str]:
    """What is to be read, the fact `told` in one wording and perhaps another fact, and the question in another."""
    statements = [f"{world.ask(told, wording)} {told.object}{SEPARATOR}"]
    if distractor is not None:
        phrasing = _wording(world, distractor, draw)
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


def _distractor(world: World, told: Fact, names: Sequence[str], kind: str, draw: random.Random) -> Fact:
    """Another relation of the subject, or the relation of another subject."""
    if draw.random() < 0.5:
        others = [relation for relation in world.relations_of(kind) if relation.name != told.relation]
        relation, subject = draw.choice(others), told.subject
    else:
        relation, subject = world.relations[told.relation], draw.choice([n for n in names if n != told.subject])
    return Fact(subject, relation.name, draw_value(world, relation, draw))


def _wording(world: World, fact: Fact, draw: random.Random) -> int:
    return draw.randrange(len(world.relations[fact.relation].phrasings))
