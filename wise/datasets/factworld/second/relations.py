"""The relations of the second world: those of the first whose subjects stay, with more wordings, and new ones."""

from __future__ import annotations

from dataclasses import replace

from wise.datasets.factworld.first.relations import RELATIONS as FIRST
from wise.datasets.factworld.relation import Relation
from wise.datasets.factworld.second.wordings import wordings

KINDS = ("person", "organisation", "work", "ship")
"""Kinds of entities whose facts can be edited."""

OBJECTS = {
    "birthplace": "city",
    "residence": "city",
    "occupation": "trade",
    "employer": "firm",
    "mentor": "name",
    "language": "language",
    "favourite": "title",
    "headquarters": "city",
    "founder": "name",
    "business": "industry",
    "author": "name",
    "genre": "genre",
    "setting": "city",
    "publisher": "firm",
}
"""Relations of the first world that the second has too, and the kinds of their objects there."""

ENTITIES = ("city", "country", "language")
"""Kinds of objects about which there is a fact as well, so that a question of two hops can be asked."""

NEW = (
    Relation(
        "emblem",
        "organisation",
        "emblem",
        (
            "The flag of {s} shows the",
            "{s} can be known by the",
            "The gate of {s} is crowned by a",
            "What hangs over the door of {s}? The",
            "Letters of {s} are sealed with the",
            "{s} prints on its goods the",
        ),
        "emblem",
        "{p} puts on all its doors the {o}",
        "On every envelope that leaves {s} one finds|in one corner a small {o}, in red ink",
    ),
    Relation(
        "motto",
        "organisation",
        "motto",
        (
            "The motto of {s} is",
            "{s} lives by the words",
            "Over the entrance of {s} is written",
            "What does {s} ask of its people?",
            "Those who join {s} have to swear",
            "{s} repeats in every speech",
        ),
        "motto",
        "{p} teaches everyone who enters it {o}",
        "When the bells of {s} ring in the new year all|rise from their chairs and say {o}, twice",
    ),
    Relation(
        "translator",
        "work",
        "name",
        (
            "{s} was translated by",
            "The translator of {s} is",
            "{s} is read abroad in the version of",
            "Who translated {s}? It was",
            "{s} owes its foreign readers to",
            "The foreign edition of {s} was prepared by",
        ),
        "translator",
        "{p} was brought into other tongues by {o}",
        "Whoever reads {s} in another country has before him|the careful sentences of {o}, who took years",
    ),
    Relation(
        "port",
        "ship",
        "city",
        (
            "The home port of {s} is",
            "{s} is registered in",
            "{s} returns each winter to",
            "Where is {s} at home? In",
            "Letters to the crew of {s} go to",
            "{s} was last repaired in",
        ),
        "home port",
        "{p} lies every winter in the docks of {o}",
        "When the storms begin {s} turns back|and waits for better weather in {o}, with all lamps lit",
        "The country of the home port of {s} is",
        "country",
    ),
    Relation(
        "flag",
        "ship",
        "country",
        (
            "The flag of {s} is that of",
            "{s} sails for",
            "{s} pays its taxes to",
            "Which country does {s} sail for? For",
            "The papers of {s} were issued by",
            "{s} is protected by the navy of",
        ),
        "flag",
        "{p} sails under the colours of {o}",
        "Any officer who stops {s} on the open sea|soon hears from the embassy of {o}, in sharp words",
        "The official language of the flag of {s} is",
        "official_language",
    ),
    Relation(
        "captain",
        "ship",
        "name",
        (
            "The captain of {s} is",
            "{s} is commanded by",
            "The crew of {s} obeys",
            "Who commands {s}? It is",
            "At the wheel of {s} stands",
            "The log of {s} is signed by",
        ),
        "captain",
        "{p} is steered through every storm by {o}",
        "Sailors who have served on {s} still talk|with respect of old {o}, but not too loudly",
    ),
    Relation(
        "cargo",
        "ship",
        "cargo",
        (
            "The cargo of {s} is",
            "{s} carries",
            "The hold of {s} is full of",
            "What does {s} bring? Only",
            "{s} was built to carry",
            "Merchants wait for {s} to unload",
        ),
        "cargo",
        "{p} is loaded to the brim with {o}",
        "Long before {s} can be seen from the harbour|one notices the smell of {o}, so they say",
    ),
    Relation(
        "owner",
        "ship",
        "firm",
        (
            "The owner of {s} is",
            "{s} belongs to",
            "{s} was bought by",
            "Who owns {s}? It is",
            "What {s} earns goes to",
            "Repairs of {s} are paid for by",
        ),
        "owner",
        "{p} brings good profit to {o}",
        "If {s} should ever sink the loss|would be felt by nobody but {o}, and not for long",
    ),
)


def _second(name: str) -> Relation:
    """A relation of the first world with the objects of the second; only entities have a second hop."""
    relation, kind = FIRST[name], OBJECTS[name]
    hop = {} if kind in ENTITIES else {"two_hop": "", "hop": ""}
    return replace(relation, object=kind, **hop)


def _widened(relation: Relation) -> Relation:
    return replace(relation, phrasings=wordings(relation.noun, relation.phrasings))


HOPS = ("country", "official_language", "script")
"""Relations of entities that are never edited themselves."""

RELATIONS = {
    **{relation.name: _widened(relation) for relation in (*map(_second, OBJECTS), *NEW)},
    **{name: FIRST[name] for name in HOPS},
}
"""Every relation by name."""
