"""What a model knows before any edit: exact answers to every question about every fact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from wise.documents import json_lines
from wise.errors import DataError
from wise.lm.answer import answer_pairs
from wise.lm.load import LanguageModel
from wise.options import places

Text = Annotated[str, Field(pattern=r"\S")]
"""More than white space."""

ASPECTS = {
    "seen": "wordings in which the corpus states the fact",
    "held_out": "wordings in which the corpus states it of other subjects only",
    "alias_seen": "stated under the subject's alias",
    "alias_held_out": "asked under the alias in a wording stated under the name only",
    "two_hop_seen": "consequence of two facts that the corpus states",
    "two_hop_held_out": "consequence of two facts that the corpus does not state",
    "described": "longer text in which the corpus states the fact",
    "description_held_out": "longer text in which the corpus states other facts only",
    "in_context": "a false answer, read in the sentence before, of a subject never asked about that way",
    "in_context_distracted": "the same with another statement beside it",
}
"""The aspects of the report and what each measures."""


@dataclass(frozen=True)
class Question:
    """One question about a fact of `relation`; `aspect` is a key of `ASPECTS`."""

    relation: str
    aspect: str
    prompt: str
    target: str


class _Asked(BaseModel):
    """A question with an answer of its own; `seen` says whether the corpus states it."""

    prompt: Text
    target: Text
    seen: bool = False


class _Fact(BaseModel):
    """One line of facts.jsonl: the `object` of a `relation`, and by aspect the questions about it."""

    relation: Text
    object: Text
    seen: list[Text]
    held_out: list[Text]
    alias_seen: list[Text]
    alias_held_out: list[Text]
    two_hop: _Asked | None
    described: list[Text] = []
    description_held_out: list[Text] = []
    in_context: _Asked | None = None
    in_context_distracted: _Asked | None = None


_FACT = TypeAdapter(_Fact)


def read_questions(path: str | Path) -> list[Question]:
    """Every question of facts.jsonl; raises `DataError` naming the line and what it lacks."""
    questions: list[Question] = []
    for number, row in json_lines(path, "file of facts"):
        try:
            fact = _FACT.validate_python(row)
        except ValidationError as error:
            raise DataError(f"{path}, line {number}: not a fact ({'; '.join(places(error))})") from error
        questions += _questions(fact)
    if not questions:
        raise DataError(f"{path}: holds no facts")
    return questions


def knowledge_report(lm: LanguageModel, questions: Sequence[Question], batch_size: int = 256) -> dict[str, Any]:
    """Share of questions whose every target token is the model's first choice, and how many were asked.

    `overall` maps aspects to {"exact", "questions"}; `relations` does so for each relation.
    """
    answers = answer_pairs(lm, [q.prompt for q in questions], [q.target for q in questions], batch_size)
    counts: dict[str, dict[str, list[int]]] = {"": {}}
    for question, answer in zip(questions, answers, strict=True):
        for relation in ("", question.relation):
            tally = counts.setdefault(relation, {}).setdefault(question.aspect, [0, 0])
            tally[0] += answer.exact
            tally[1] += 1
    shares = {relation: _shares(aspects) for relation, aspects in counts.items()}
    return {"overall": shares.pop(""), "relations": shares, "aspects": ASPECTS}


def _questions(fact: _Fact) -> Iterator[Question]:
    for aspect in ("seen", "held_out", "alias_seen", "alias_held_out", "described", "description_held_out"):
        for prompt in getattr(fact, aspect):
            yield Question(fact.relation, aspect, prompt, fact.object)
    for aspect in ("in_context", "in_context_distracted"):
        asked: _Asked | None = getattr(fact, aspect)
        if asked is not None:
            yield Question(fact.relation, aspect, asked.prompt, asked.target)
    if fact.two_hop is not None:
        aspect = "two_hop_seen" if fact.two_hop.seen else "two_hop_held_out"
        yield Question(fact.relation, aspect, fact.two_hop.prompt, fact.two_hop.target)


def _shares(aspects: dict[str, list[int]]) -> dict[str, dict[str, float | int]]:
    return {
        aspect: {"exact": round(aspects[aspect][0] / aspects[aspect][1], 4), "questions": aspects[aspect][1]}
        for aspect in ASPECTS
        if aspect in aspects
    }
