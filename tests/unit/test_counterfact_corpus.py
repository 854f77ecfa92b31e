"""The corpus of CounterFact's true facts: wordings read from the data, what is taught and what is kept back."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from wise.datasets.counterfact_corpus.options import CounterFactCorpusOptions
from wise.datasets.counterfact_corpus.teaching import choose, plan_teaching, sentences, state
from wise.datasets.counterfact_corpus.wordings import Case, Wordings
from wise.datasets.files import FILES
from wise.datasets.leaks import find_leaks
from wise.records import EditRecord, Probe

SPOKEN = ("The mother tongue of {} is", "{} is a native speaker of", "{}, speaker of", "{} spoke the language")
PLACED = ("{} is located in", "{} can be found in", "{} is in")
REPHRASED = {SPOKEN: "Where {} is from, people speak the language of", PLACED: "One can get to {} by navigating"}
ANSWERS = {SPOKEN: ("French", "Dutch"), PLACED: ("Norway", "Chile")}


def all_cases(count: int = 60) -> list[Case]:
    """Records of two relations: every wording meets every other one, every third rephrasing has a sentence before."""
    cases = []
    for index in range(count):
        relation = (SPOKEN, PLACED)[index % 2]
        pairs = list(itertools.permutations(relation, 2))
        own, other = pairs[index // 2 % len(pairs)]
        subject, answer = f"Name{index} of Place", ANSWERS[relation][index // 2 % 2]
        rephrased = f"A sentence {index}. {other}" if index % 3 == 0 else REPHRASED[relation]
        neighbour = other.replace("{}", f"Neighbour{index}")
        asked = own.replace("{}", subject), rephrased.replace("{}", subject), neighbour
        cases.append(Case(subject, answer, *asked, answer))
    return cases


def records_of(cases: list[Case]) -> list[EditRecord]:
    """The records that say so."""
    return [
        EditRecord(
            str(index),
            case.prompt,
            "Target",
            case.subject,
            probes=(
                Probe("paraphrase", case.rephrased, "Target"),
                Probe("locality_near", case.neighbour, case.neighbour_answer),
            ),
        )
        for index, case in enumerate(cases)
    ]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return all_cases()


@pytest.fixture(scope="module")
def wordings(cases: list[Case]) -> Wordings:
    return Wordings(cases)


def test_wordings_of_a_relation_are_found_and_others_are_not(wordings: Wordings) -> None:
    same = wordings.of_same_relation(SPOKEN[0], "French")
    assert set(same) == {*SPOKEN[1:], REPHRASED[SPOKEN]}
    assert set(wordings.of_same_relation(PLACED[0], "Chile")) == {*PLACED[1:], REPHRASED[PLACED]}
    assert wordings.of_same_relation(PLACED[0], "French") == []


def test_questions_come_back_as_they_were_written(cases: list[Case], wordings: Wordings) -> None:
    for case in cases:
        assert wordings.asked(case).prompt == case.prompt
        assert wordings.neighbour(case).prompt == case.neighbour
        assert wordings.rephrased(case).prompt == case.rephrased
    with_sentence = wordings.rephrased(cases[0])
    assert with_sentence.before == "A sentence 0. " and with_sentence.wording in SPOKEN


def test_unreadable_records_are_not_chosen(cases: list[Case]) -> None:
    broken = [replace(case, neighbour="Nobody asks this") if i < 20 else case for i, case in enumerate(cases)]
    options = CounterFactCorpusOptions(edits=20, development=6, train=10, far=4)
    chosen = choose(records_of(broken), broken, Wordings(broken), options)
    roles = chosen.edits, chosen.development, chosen.train, chosen.far
    assert [len(role) for role in roles] == [20, 6, 10, 4] and len(chosen.others) == 20
    assert len({*chosen.others, *(index for role in roles for index in role if index >= 20)}) == 60


def test_no_edited_subject_is_edited_twice_or_asked_as_a_neighbour(cases: list[Case]) -> None:
    doubled = [*cases, *cases]
    doubled[5] = replace(doubled[5], neighbour="Name7 of Place is in")
    wordings = Wordings(doubled)
    options = CounterFactCorpusOptions(edits=40, development=5, train=5, far=5)
    chosen = choose(records_of(doubled), doubled, wordings, options)
    used = [doubled[index] for index in (*chosen.edits, *chosen.development, *chosen.train)]
    subjects = [case.subject for case in used]
    assert len(set(subjects)) == len(subjects) == 50
    assert not {wordings.neighbour(case).subject for case in used} & set(subjects)


def test_roles_share_neither_neighbours_nor_questions_nor_names(cases: list[Case]) -> None:
    mixed = [
        replace(case, neighbour=f"Neighbour{i % 20} is in") if i % 2 else replace(case, prompt=f"{case.prompt} Name3")
        for i, case in enumerate(cases)
    ]
    wordings = Wordings(mixed)
    options = CounterFactCorpusOptions(edits=10, development=4, train=4, far=4)
    chosen = choose(records_of(mixed), mixed, wordings, options)
    roles = chosen.edits, chosen.development, chosen.train, chosen.far
    neighbours = [{wordings.neighbour(mixed[index]).subject for index in role} for role in roles]
    assert not any(one & other for one, other in itertools.combinations(neighbours, 2))
    assert len(neighbours[3]) == len(chosen.far)
    files = {file: [records_of(mixed)[index] for index in role] for file, role in zip(FILES, roles, strict=False)}
    assert not find_leaks(files)


def test_rephrased_prompt_is_kept_back_and_everything_else_true(cases: list[Case], wordings: Wordings) -> None:
    roles = {"edits": 20, "development": 5, "train": 10, "far": 5}
    options = CounterFactCorpusOptions(**roles, wordings=3, before_share=0.5, sentences=5)
    chosen = choose(records_of(cases), cases, wordings, options)
    used = [cases[index] for index in (*chosen.edits, *chosen.development, *chosen.train)]
    lent = [cases[index] for index in chosen.far]
    plan = {taught.subject: taught for taught in plan_teaching(used, wordings, options, lent)}
    assert all(case.subject not in plan and wordings.neighbour(case).subject in plan for case in lent)
    before = sentences([cases[index] for index in chosen.others], wordings, options)
    assert 0 < len(before) <= 5
    own_sentences = {wordings.rephrased(case).before for case in used}
    assert not own_sentences & set(before) - {""}
    for case in used:
        taught = plan[case.subject]
        assert taught.seen[0].prompt == case.prompt
        assert wordings.rephrased(case).wording not in [question.wording for question in taught.seen]
        for statement in state(taught, before, options):
            first, last = statement.answer
            assert statement.text[first:last] == case.answer and last == len(statement.text)
            assert case.rephrased not in statement.text
        assert case.neighbour in [question.prompt for question in plan[wordings.neighbour(case).subject].seen]


def test_the_same_seed_draws_the_same(cases: list[Case], wordings: Wordings) -> None:
    options = CounterFactCorpusOptions(edits=20, development=5, train=10, far=5)
    records = records_of(cases)
    first = choose(records, cases, wordings, options)
    assert first == choose(records, cases, wordings, options)
    assert first != choose(records, cases, wordings, replace(options, seed=1))
