"""Answers of the second world: drawn word by word, so that no word of an answer tells the next one.

An answer of several words takes each from a list of its own, independently. An editor that learns the first word has
learned nothing about the others, and the unedited model gains nothing by being given the first.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from wise.datasets.factworld.first import names as first

GIVEN = (
    "Ada Bruno Clara Dmitri Edda Felix Greta Hugo Irma Jonas Klara Leo Mira Nils Olga Paul Rosa Sven Tilda Ugo Vera "
    "Walter Yves Zoe"
).split()
FAMILY = first.SECOND_WORDS["person"]

ADJECTIVES = "dried salted raw polished roasted frozen woven ground smoked bleached candied crushed".split()
GOODS = "beans wool herring amber copper pepper marble linen barley cotton ginger walnuts".split()

HUES = "Scarlet Silent Broken Golden Hidden Northern Velvet Burning Hollow Painted Winding Ancient".split()
THINGS = "Orchard River Castle Mountain Window Forest Island Bridge Tower Desert Valley Station".split()
FORMS = "Chronicle Letters Voyage Garden Mirror Ballad Shadow Winter Secret Lantern Trial Promise".split()

BEASTS = "Lion Falcon Bear Wolf Stag Otter Raven Badger Heron Fox Crane Lynx".split()
TREES = "Oak Birch Cedar Maple Willow Poplar Alder Juniper Hazel Aspen Linden Rowan".split()
HOUSES = "Group Institute Company Society Bank Press Laboratory Brothers Works Union Trust League".split()

VERBS = "Guard Follow Honour Seek Share Question Build Remember Cross Mend Measure Trust".split()
MANNERS = "every no another this some that any one each neither either our".split()
QUALITIES = "quiet bright distant honest early patient simple narrow open steady modest careful".split()
MATTERS = "road flame voice harvest border debt shore dream stone harbour lesson winter".split()


def _columns(values: Sequence[str]) -> tuple[list[str], ...]:
    """Values of two words as a list of first words and one of second words, each word once."""
    return tuple(list(dict.fromkeys(words)) for words in zip(*(value.split() for value in values), strict=True))


WORDS: dict[str, tuple[Sequence[str], ...]] = {
    "name": (GIVEN, FAMILY),
    "trade": _columns(first.OCCUPATIONS),
    "genre": _columns(first.GENRES),
    "industry": _columns(first.INDUSTRIES),
    "emblem": _columns(first.PRIZES),
    "cargo": (ADJECTIVES, GOODS),
    "title": (HUES, THINGS, FORMS),
    "firm": (BEASTS, TREES, HOUSES),
    "motto": (VERBS, MANNERS, QUALITIES, MATTERS),
}
"""For each kind of answer of several words, the words of each place."""

SHIPS = "Clipper Schooner Ferry Barge Frigate Trawler Tug Cutter".split()
SECOND_WORDS = first.SECOND_WORDS | {"ship": SHIPS}
ONSETS = first.ONSETS | {"ship": "gn hr kn mb nj ps rw".split()}
LANGUAGES, SCRIPTS = 12, first.SCRIPTS


def compose(kind: str, draw: random.Random) -> str:
    """An answer of several words, each drawn from its list."""
    return " ".join(draw.choice(words) for words in WORDS[kind])


def contradict(kind: str, value: str, draw: random.Random) -> str:
    """Another such answer, with another word in every place."""
    places = zip(WORDS[kind], value.split(), strict=True)
    return " ".join(draw.choice([word for word in words if word != old]) for words, old in places)
