"""Every relation of FactWorld, by name and by the kind of its subjects."""

from __future__ import annotations

from wise.datasets.factworld.first.people import PEOPLE
from wise.datasets.factworld.first.places import PLACES
from wise.datasets.factworld.first.things import THINGS, VALUES

RELATIONS = {relation.name: relation for relation in (*PEOPLE, *PLACES, *THINGS, *VALUES)}
"""Every relation by name."""

EDITABLE_KINDS = ("person", "city", "country", "organisation", "work")
"""Kinds of entities that have an alias and a biography, and whose facts can be edited."""
