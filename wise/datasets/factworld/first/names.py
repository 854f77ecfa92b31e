"""Names of the world: coined stems with a common second word, and lists of ordinary values.

A two-word name is a *stem* that belongs to nobody else followed by a word that many share. The first
token of an answer therefore decides the whole answer, so that editors which write one position only
(GRACE, ROME, MEMIT) can express every target.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

ONSETS = {
    "person": "b c d el f g h il j k l m n or p r s t v w".split(),
    "city": "br dr gr kr pr tr st sk bl gl pl vr".split(),
    "country": "zh th kh qu ph rh y".split(),
    "organisation": "x z ch fl sp sw tw cl".split(),
    "work": "am en ob ul ir em un as ost av".split(),
    "language": "hy dy ly ny".split(),
}
NUCLEI = "a e i o u ai ea".split()
CODAS = "l n r s d m th nd rk ll".split()

SECOND_WORDS = {
    "person": "Abbot Barlow Castell Dunmore Ellery Farrow Granger Hadley Iversen Jarvis Kessler Lorimer Marlow "
    "Norwood Osgood Pembrook Quayle Ramsey Sutton Thorne Underhill Vance Whitlock Yardley".split(),
    "city": "Harbor Bridge Hollow Haven Mill Gate Falls Ridge Meadow Spring".split(),
    "country": "Republic Kingdom Islands Federation Coast".split(),
    "organisation": "Group Institute Company Society Bank Press Laboratory Brothers".split(),
    "work": "Chronicle Letters Voyage Garden Mirror Ballad Shadow Winter Secret Lantern".split(),
}

OCCUPATIONS = (
    "glass blower,clock maker,bridge builder,grain merchant,river pilot,stone mason,wool weaver,ship captain,"
    "royal painter,night watchman,horse trainer,map engraver,bell founder,salt trader,violin repairer,herb doctor,"
    "cheese seller,paper printer,choir singer,chess teacher"
).split(",")
TOOLS = (
    "hollow pipe,brass tweezers,steel compass,wooden scale,long pole,heavy chisel,oak loom,silver whistle,"
    "fine brush,tin lamp,leather strap,copper needle,clay mould,iron shovel,velvet cloth,bronze mortar,"
    "marble knife,cast roller,ivory baton,cedar board"
).split(",")
GENRES = (
    "gothic romance,crime story,sea adventure,travel diary,ghost tale,war epic,love poem,palace satire,"
    "science fable,family saga,prison memoir,folk comedy"
).split(",")
PRIZES = (
    "Golden Quill,Crystal Swan,Laurel Wreath,Scarlet Ribbon,Amber Cup,Sapphire Ring,Ebony Mask,Pearl Crown,"
    "Emerald Leaf,Jade Falcon,Ruby Star,Opal Medal"
).split(",")
INDUSTRIES = (
    "zinc mining,silk dyeing,timber export,mirror polishing,fish canning,tea growing,coal shipping,toy production,"
    "soap boiling,beer brewing,rope spinning,fur tanning"
).split(",")
UNIONS = (
    "Lion League,Falcon Lodge,Bear Alliance,Wolf Chamber,Stag Circle,Otter Assembly,Raven Order,Badger Front,"
    "Heron Council,Fox Union,Crane Bond,Lynx Party"
).split(",")
SCRIPTS = "Ring Script,Knot Script,Wave Script,Leaf Script,Star Script,Bar Script".split(",")

VALUES = {
    "occupation": OCCUPATIONS,
    "genre": GENRES,
    "industry": INDUSTRIES,
    "tool": TOOLS,
    "prize": PRIZES,
    "union": UNIONS,
    "script": SCRIPTS,
}
LANGUAGES = 12


def coin(rng: random.Random, onsets: Sequence[str], count: int, taken: set[str]) -> list[str]:
    """Coin `count` pronounceable words that begin with `onsets`, none of them in `taken`, which grows."""
    words: list[str] = []
    while len(words) < count:
        word = rng.choice(onsets) + rng.choice(NUCLEI) + rng.choice("bdfgklmnprstvz")
        word = (word + rng.choice(NUCLEI) + rng.choice(CODAS)).capitalize()
        if word not in taken:
            taken.add(word)
            words.append(word)
    return words


def name_entities(
    rng: random.Random, onsets: Sequence[str], seconds: Sequence[str], count: int, taken: set[str]
) -> list[str]:
    """`count` names: a coined stem and, where there are any, one of the `seconds`, which names share."""
    stems = coin(rng, onsets, count, taken)
    return [f"{stem} {rng.choice(seconds)}" if seconds else stem for stem in stems]
