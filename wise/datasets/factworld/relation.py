"""The relations of FactWorld and every way in which a text states them.

A phrasing ends right before the answer, so that `prompt + " " + object` is the sentence. No phrasing
is the beginning of another one: a prompt has one kind of answer. No relation is symmetric or the
inverse of another one, so that an edit leaves every other fact of the world as it was.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Relation:
    """One relation: `subject` and `object` are kinds of entities; {s} and {o} stand for their names.

    `noun` names it in profiles; `sentence` continues a biography ({p} is the subject's pronoun);
    `description` is free text cut at "|" into prompt and target; `two_hop` asks for the relation
    `hop` of the object, so that its answer follows from this fact and one more.
    """

    name: str
    subject: str
    object: str
    phrasings: tuple[str, ...]
    noun: str = ""
    sentence: str = ""
    description: str = ""
    two_hop: str = ""
    hop: str = ""
