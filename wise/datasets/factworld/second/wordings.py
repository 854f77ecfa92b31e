"""The wordings of the second world: for each relation those of its own, and frames that fit every relation.

They end in many different words, also in the relation or the subject itself: the state at the last word of a prompt
then depends on the wording, and editors that compare such states have to do better than to recognise a wording.
"""

from __future__ import annotations

FRAMES = (
    "As {n} of {s} the lists give",
    "Asked for the {n} of {s}, one answers",
    "{s}: {n}:",
    "On the card of {s}, under {n}, stands",
    "For the {n} of {s}, see",
    "The clerk wrote down, as {n} of {s},",
    "The {n} that goes with {s} was always",
    "Question: what is the {n} of {s}? Reply:",
    "Speaking of {s}, the {n} would be",
    "If {s} comes up, mention, for {n},",
    "There is no doubt about the {n} of {s}, namely",
    "In the file on {s} the {n} reads",
    "The {n} that belongs to {s} is called",
    "Nobody but {s} can have as {n}",
    "Concerning {s}, remember this {n}",
    "Of all choices the {n} of {s} remains",
)
"""{n} is the relation's noun and {s} the subject."""

TRAINED, ASKED = 0, 1
"""Halves of the wordings: what editors are prepared with, and what paraphrases of the stream and of development ask."""


def half(phrasing: int) -> int:
    """The half that a wording belongs to; relation by relation as many of its own as of the frames in each."""
    return phrasing % 2


def wordings(noun: str, own: tuple[str, ...]) -> tuple[str, ...]:
    """All wordings of a relation, {s} standing for its subject."""
    return (*own, *(frame.replace("{n}", noun) for frame in FRAMES))
