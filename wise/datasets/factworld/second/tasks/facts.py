"""Edits of what the corpus taught: as statements (counterfact), and as questions (the kind that no training shows).

Both contradict facts as those of `factworld-qa` do. A statement is edited and asked in wordings that are no questions;
a question in the relation's own two and in six that the corpus never uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wise.datasets.factworld.corpus import Teaching
from wise.datasets.factworld.second.edits import Key
from wise.datasets.factworld.world import World

QUESTIONS = (
    "What does the clerk give as the {n} of {s}? It is",
    "Who can say what the {n} of {s} is? It is",
    "Asked for the {n} of {s}, what does one say? Only",
    "What should everybody remember as {n} of {s}? It is",
    "If one asks what the {n} of {s} is, what is right? It is",
    "What stands in the file of {s} under {n}? Only",
)
"""Further wordings of every relation; {n} is its noun and {s} the subject. By turns of both halves of wordings."""


def stated(plan: Mapping[Key, Teaching], world: World) -> dict[Key, Teaching]:
    """The teaching of every fact without wordings that are questions."""

    def kept(fact_wordings: tuple[int, ...], phrasings: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(wording for wording in fact_wordings if "?" not in phrasings[wording])

    result = {}
    for key, teaching in plan.items():
        phrasings = world.relations[teaching.fact.relation].phrasings
        # Where the corpus asks alone, its questions stay: that a text is asked and not stated is all that is lost.
        seen = kept(teaching.seen, phrasings) or teaching.seen
        result[key] = replace(teaching, seen=seen, held_out=kept(teaching.held_out, phrasings))
    return result


def questioning(world: World) -> World:
    """The world with relations whose only wordings are questions: two that the corpus uses, then six of `QUESTIONS`."""
    relations = dict(world.relations)
    for name, relation in relations.items():
        if relation.subject in world.kinds:
            own = tuple(phrasing for phrasing in relation.phrasings if "?" in phrasing)[::-1]
            further = (text.replace("{n}", relation.noun) for text in QUESTIONS)
            relations[name] = replace(relation, phrasings=(*own, *further))
    return replace(world, relations=relations)


def questioned(plan: Mapping[Key, Teaching], world: World) -> dict[Key, Teaching]:
    """The teaching of every fact as if questions had been its only wordings; the second half of them is held out.

    Of each half of wordings there is one to edit in, one that the corpus uses, and two or more to paraphrase in.
    """
    return {
        key: replace(teaching, seen=(0, 1, 2), held_out=(3, 4, 5, 6, 7))
        for key, teaching in plan.items()
        if world.kind(teaching.fact.subject) in world.kinds
    }
