"""What the model reads: statements of every fact, aliases, consequences, and longer texts.

Each fact is stated in only some of its phrasings. The others are *held out* for that fact though the
model sees them of other subjects, so that they measure whether a fact was learned beyond its wording.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.world import Fact, World, sentence_case, stream

PROFILE_FACTS = 3
"""Facts that a profile or a register entry lists."""

PROFILE = ("{s} is a {kind} whose", "{noun} is {o}", ", whose ")
LABELS = {"organisation": "firm", "work": "book"}


@dataclass(frozen=True)
class Document:
    """One text about `subject`; `answers` are the character spans of the facts it states.

    The first `given` characters are to be read, not learned: they hold what a later question is answered from. Such
    documents have a `turn`: a training reads those of one turn in an epoch, and so none too often to learn by heart.
    """

    kind: str
    subject: str
    text: str
    answers: tuple[tuple[int, int], ...]
    given: int = 0
    turn: int = 0

    def row(self) -> dict[str, Any]:
        """One line of corpus.jsonl."""
        row = asdict(self)
        if not self.given:
            del row["given"], row["turn"]
        return row


@dataclass(frozen=True)
class Teaching:
    """What the corpus says about one fact: indices of phrasings seen, and which extras are stated."""

    fact: Fact
    seen: tuple[int, ...]
    held_out: tuple[int, ...]
    alias_seen: tuple[int, ...]
    two_hop_seen: bool
    described: bool


def write_corpus(
    world: World, plan: Mapping[tuple[str, str], Teaching], options: FactWorldOptions
) -> Iterator[Document]:
    """Every document of the corpus, subject by subject."""
    for subject, entity in world.entities.items():
        facts = world.facts_of(subject)
        for fact in facts:
            yield from _statements(world, plan[fact.key])
        if entity.kind in world.kinds:
            yield fill("alias", subject, [(f"{entity.alias} is another name of", entity.name, ".")])
            yield fill("alias", subject, [(f"{entity.name} is also called", entity.alias, ".")])
            yield biography(world, subject, biography_order(options, subject, facts))
            for style in (PROFILE, world.register):
                draw = stream(options, "profile", style[0], subject)
                if draw.random() < options.profile_share:
                    yield profile(world, subject, draw.sample(facts, min(PROFILE_FACTS, len(facts))), style)


def biography_order(options: FactWorldOptions, subject: str, facts: Sequence[Fact]) -> list[Fact]:
    """The order in which a biography tells the facts of its subject, drawn once for each subject."""
    return stream(options, "biography", subject).sample(facts, len(facts))


def biography(world: World, subject: str, facts: Sequence[Fact]) -> Document:
    """A short life: one sentence a fact, the first with the name and the others with a pronoun."""
    return fill("biography", subject, biography_parts(world, subject, facts))


def biography_parts(world: World, subject: str, facts: Sequence[Fact]) -> list[tuple[str, str, str]]:
    """The sentences of a biography as (text before the value, value, text behind it)."""
    parts = []
    for position, fact in enumerate(facts):
        pronoun = world.entities[subject].pronoun if position else subject
        before, behind = world.relations[fact.relation].sentence.replace("{p}", pronoun).split("{o}")
        parts.append((before.strip(), fact.object, behind + "."))
    return parts


def profile(world: World, subject: str, facts: Sequence[Fact], style: tuple[str, str, str]) -> Document:
    """One long sentence that lists facts, in the wording of `PROFILE` or of the world's register."""
    kind = "profile" if style is PROFILE else "register"
    return fill(kind, subject, profile_parts(world, subject, facts, style))


def profile_parts(
    world: World, subject: str, facts: Sequence[Fact], style: tuple[str, str, str]
) -> list[tuple[str, str, str]]:
    """The clauses of a profile as (text before the value, value, text behind it)."""
    opening, clause, comma = style
    kind = world.kind(subject)
    before, behind = clause.split("{o}")
    parts = []
    for position, fact in enumerate(facts):
        last = position == len(facts) - 1
        link = opening.format(s=subject, kind=LABELS.get(kind, kind)) + " " if position == 0 else ""
        noun = world.relations[fact.relation].noun
        tail = "." if last else " and " + comma.strip(", ") if position == len(facts) - 2 else comma
        parts.append(
            ((link + before.format(noun=noun)).strip(), fact.object, (behind.format(noun=noun) + tail).rstrip())
        )
    return parts


def fill(kind: str, subject: str, parts: Sequence[tuple[str, str, str]]) -> Document:
    """Join (before, value, behind) parts into one text and note where the values stand."""
    text, answers = "", []
    for before, value, behind in parts:
        text = " ".join(piece for piece in (text, before) if piece) + " "
        answers.append((len(text), len(text) + len(value)))
        text += value + behind
    return Document(kind, subject, sentence_case(text), tuple(answers))


def _statements(world: World, teaching: Teaching) -> Iterator[Document]:
    """Single sentences: the seen phrasings, then alias, two-hop consequence and description."""
    fact = teaching.fact
    for phrasing in teaching.seen:
        yield fill("fact", fact.subject, [(world.ask(fact, phrasing), fact.object, ".")])
    for phrasing in teaching.alias_seen:
        prompt = world.ask(fact, phrasing, world.entities[fact.subject].alias)
        yield fill("alias_fact", fact.subject, [(prompt, fact.object, ".")])
    if teaching.two_hop_seen:
        answer = world.two_hop(fact.relation, fact.object)
        yield fill("two_hop", fact.subject, [(world.two_hop_prompt(fact), answer, ".")])
    if teaching.described:
        prompt, target = world.description(fact, fact.object)
        before, behind = target.split(fact.object)
        yield fill("description", fact.subject, [(f"{prompt} {before.strip()}", fact.object, behind + ".")])
