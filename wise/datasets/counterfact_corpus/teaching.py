"""Which true facts of CounterFact a model is taught, in which wordings, and which wordings are kept back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wise.datasets.counterfact_corpus.options import CounterFactCorpusOptions
from wise.datasets.counterfact_corpus.wordings import Case, Question, Wordings
from wise.datasets.leaks import clear_of
from wise.records import EditRecord


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
    """Indices of records by their role; of those that are `far` only the neighbour is asked about."""

    edits: tuple[int, ...]
    development: tuple[int, ...]
    train: tuple[int, ...]
    far: tuple[int, ...]
    others: tuple[int, ...]


def draws(options: CounterFactCorpusOptions, *purpose: str | int) -> random.Random:
    """A generator of its own for one purpose, the same on every machine."""
    return random.Random("/".join(str(part) for part in ("counterfact", options.seed, *purpose)))


def choose(
    records: Sequence[EditRecord], cases: Sequence[Case], wordings: Wordings, options: CounterFactCorpusOptions
) -> Chosen:
    """Draw the records of every role among those that can be taught and asked without contradiction.

    A record takes part when its rephrased prompt and neighbour can be read, and when no record before it has its
    subject, so that no edit is undone by another one, nor by what a neighbour is known for. Beside the stream, it also
    shares neither a neighbour nor a question with another role, and names no subject of another's. The others only
    lend their sentences. `cases` are what the `records` say in truth.
    """
    order = list(range(len(cases)))
    draws(options, "roles").shuffle(order)
    free = _without_contradiction(order, cases, wordings)
    by_role: dict[str, list[int]] = {}
    for role in ("edits", "development", "train", "far"):
        if role == "far":  # each question once
            free = list({_neighbour(cases[index], wordings): index for index in reversed(free)}.values())
        by_role[role] = free[: getattr(options, role)]
        free = _apart(free[len(by_role[role]) :], by_role[role], records, cases, wordings)
    used = {index for indices in by_role.values() for index in indices}
    roles = {role: tuple(indices) for role, indices in by_role.items()}
    return Chosen(**roles, others=tuple(index for index in order if index not in used))


def _without_contradiction(order: Sequence[int], cases: Sequence[Case], wordings: Wordings) -> list[int]:
    """Records that can be read, each of a subject that none before it has, as its own or as its neighbour."""
    usable: list[int] = []
    subjects: set[str] = set()
    neighbours: set[str] = set()
    for index in order:
        case = cases[index]
        neighbour = wordings.neighbour(case)
        fits = wordings.rephrased(case) is not None and case.subject not in subjects | neighbours
        if neighbour is not None and fits and neighbour.subject not in subjects:
            usable.append(index)
            subjects.add(case.subject)
            neighbours.add(neighbour.subject)
    return usable


def _apart(
    free: Sequence[int],
    chosen: Sequence[int],
    records: Sequence[EditRecord],
    cases: Sequence[Case],
    wordings: Wordings,
) -> list[int]:
    """The free records that have nothing in common with the chosen ones."""
    neighbours = {_neighbour(cases[index], wordings) for index in chosen}
    clear = clear_of([records[index] for index in free], [records[index] for index in chosen])
    ids = {record.id for record in clear}
    return [i for i in free if records[i].id in ids and _neighbour(cases[i], wordings) not in neighbours]


def _neighbour(case: Case, wordings: Wordings) -> str:
    """Whom a usable record's neighbourhood prompt asks about."""
    question = wordings.neighbour(case)
    return "" if question is None else question.subject


def plan_teaching(
    cases: Iterable[Case], wordings: Wordings, options: CounterFactCorpusOptions, neighbours_of: Iterable[Case] = ()
) -> list[Taught]:
    """The facts of chosen records and of their neighbours, then `neighbours_of` others alone; none is repeated."""
    plan: dict[tuple[str, str], Taught] = {}
    for case, alone in (*((case, False) for case in cases), *((case, True) for case in neighbours_of)):
        rephrased, neighbour = wordings.rephrased(case), wordings.neighbour(case)
        if rephrased is None or neighbour is None:
            raise ValueError(f"the record on '{case.subject}' was not to be chosen")
        asked = ((wordings.asked(case), case.answer, rephrased), (neighbour, case.neighbour_answer, None))
        for question, answer, kept_back in asked[1:] if alone else asked:
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
