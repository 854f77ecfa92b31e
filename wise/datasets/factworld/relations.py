"""Every relation of FactWorld, by name and by the kind of its subjects."""

from __future__ import annotations

from wise.datasets.factworld.people import PEOPLE
from wise.datasets.factworld.places import PLACES
from wise.datasets.factworld.relation import Relation
from wise.datasets.factworld.things import THINGS, VALUES

RELATIONS = {relation.name: relation for relation in (*PEOPLE, *PLACES, *THINGS, *VALUES)}
"""Every relation by name."""

EDITABLE_KINDS = ("person", "city", "country", "organisation", "work")
"""Kinds of entities that have an alias and a biography, and whose facts can be edited."""


def relations_of(kind: str) -> tuple[Relation, ...]:
    """The relations whose subjects are of `kind`, in the order of the tables."""
    return tuple(relation for relation in RELATIONS.values() if relation.subject == kind)
