"""Which true facts of CounterFact a model is taught, in which wordings, and which wordings are kept back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wise.datasets.counterfact_corpus.options import CounterFactCorpusOptions
from wise.datasets.counterfact_corpus.wordings import Case, Question, Wordings


@dataclass(frozen=True)
class Taught:
    """One true fact: `subject` and `answer`, the questions that state it and the ones that are kept back."""

    subject: str
    answer: str
    seen: tuple[Question, ...]
    held_out: tuple[Question, ...]


@dataclass(frozen=True)
class Statement:
    """One text of the corpus; `answer` is the character span of the fact's value."""

    subject: str
    text: str
    answer: tuple[int, int]


@dataclass(frozen=True)
class Chosen:
    """Indices of records by their role."""

    edits: tuple[int, ...]
    train: tuple[int, ...]
    others: tuple[int, ...]


def draws(options: CounterFactCorpusOptions, *purpose: str | int) -> random.Random:
    """A generator of its own for one purpose, the same on every machine."""
    return random.Random("/".join(str(part) for part in ("counterfact", options.seed, *purpose)))


def choose(cases: Sequence[Case], wordings: Wordings, options: CounterFactCorpusOptions) -> Chosen:
    """Draw the edited and the training records among those that can be taught and asked without contradiction.

    A record takes part when its rephrased prompt and neighbour can be read, and when no record before it has its
    subject, so that no edit is undone by another one, nor by what a neighbour is known for. The others only lend
    their sentences.
    """
    order = list(range(len(cases)))
    draws(options, "roles").shuffle(order)
    usable: list[int] = []
    others: list[int] = []
    subjects: set[str] = set()
    neighbours: set[str] = set()
    for index in order:
        case = cases[index]
        neighbour = wordings.neighbour(case)
        fits = wordings.rephrased(case) is not None and case.subject not in subjects | neighbours
        room = len(usable) < options.edits + options.train
        if neighbour is not None and fits and neighbour.subject not in subjects and room:
            usable.append(index)
            subjects.add(case.subject)
            neighbours.add(neighbour.subject)
        else:
            others.append(index)
    return Chosen(tuple(usable[: options.edits]), tuple(usable[options.edits :]), tuple(others))


def plan_teaching(cases: Iterable[Case], wordings: Wordings, options: CounterFactCorpusOptions) -> list[Taught]:
    """The fact of every chosen record and of its neighbour; one that was taught before is not repeated."""
    plan: dict[tuple[str, str], Taught] = {}
    for case in cases:
        rephrased, neighbour = wordings.rephrased(case), wordings.neighbour(case)
        if rephrased is None or neighbour is None:
            raise ValueError(f"the record on '{case.subject}' was not to be chosen")
        asked = ((wordings.asked(case), case.answer, rephrased), (neighbour, case.neighbour_answer, None))
        for question, answer, kept_back in asked:
            key = question.subject, answer
            if key not in plan:
                plan[key] = _taught(question, answer, kept_back, wordings, options)
    return list(plan.values())


def state(taught: Taught, before: Sequence[str], options: CounterFactCorpusOptions) -> Iterator[Statement]:
    """Every statement of one fact, some of them behind one of the sentences `before`."""
    draw = draws(options, "statements", taught.subject, taught.answer)
    for question in taught.seen:
        opening = draw.choice(before) if before and draw.random() < options.before_share else ""
        prompt = opening + question.prompt
        start = len(prompt) + 1
        yield Statement(taught.subject, f"{prompt} {taught.answer}", (start, start + len(taught.answer)))


def sentences(cases: Iterable[Case], wordings: Wordings, options: CounterFactCorpusOptions) -> list[str]:
    """Sentences that stand before rephrased prompts of `cases`, records that are neither edited nor trained on."""
    found = (wordings.rephrased(case) for case in cases)
    return sorted({question.before for question in found if question is not None and question.before})[
        : options.sentences
    ]


def _taught(
    asked: Question, answer: str, kept_back: Question | None, wordings: Wordings, options: CounterFactCorpusOptions
) -> Taught:
    """The fact in its own wording and some others of the relation; a neighbour has one of those kept back."""
    draw = draws(options, "wordings", asked.subject, answer)
    others = wordings.of_same_relation(asked.wording, answer)
    if kept_back is not None:
        others = [wording for wording in others if wording != kept_back.wording]
    draw.shuffle(others)
    used = others[: options.wordings - 1]
    held_out = [kept_back] if kept_back else [Question(w, asked.subject) for w in others[len(used) : len(used) + 1]]
    seen = (asked, *(Question(wording, asked.subject) for wording in used))
    return Taught(asked.subject, answer, seen, tuple(held_out))
