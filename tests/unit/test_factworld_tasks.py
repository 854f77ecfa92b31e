"""The four tasks of FactWorld: what each is about, and what no training record may show."""

import re
from collections import Counter

import pytest

from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.second.tasks.opinions import POLARITIES, opinions
from wise.datasets.factworld.second.tasks.records import TASKS
from wise.datasets.factworld.second.version import SecondVersion
from wise.datasets.leaks import find_leaks
from wise.records import OPPOSITE, WANTED

FILES = {"edits": "edit", "development": "development", "train": "train"}


@pytest.fixture(scope="module")
def made():
    return SecondVersion(FactWorldOptions())


@pytest.fixture(scope="module")
def records(made):
    return {file: made.task_records(role) for file, role in FILES.items()}


@pytest.fixture(scope="module")
def corpus(made):
    return "\n".join(document.text for document in made.documents())


def of_task(records, task):
    return [record for record in records if record.task == task]


def test_nothing_that_is_learned_from_is_asked(records):
    assert find_leaks(records) == []


def test_the_tasks_of_a_stream_take_turns_and_share_no_subject(records):
    for file in ("edits", "development"):
        assert [record.task for record in records[file]] == list(TASKS) * (len(records[file]) // len(TASKS))
        subjects = {task: {record.subject for record in of_task(records[file], task)} for task in TASKS}
        assert sum(map(len, subjects.values())) == len(set().union(*subjects.values()))


def test_the_corpus_never_names_a_recent_subject_nor_has_opinions(records, corpus):
    for record in [record for file in records.values() for record in of_task(file, "recent")]:
        assert record.subject not in corpus
        assert record.subject in record.prompt
    for record in of_task(records["edits"], "convsent"):
        assert all(text not in corpus for texts in opinions(record.subject).values() for text in texts)


def test_the_model_knows_every_word_of_every_edit(records, corpus):
    known = set(re.findall(r"\w+|[^\w\s]", corpus))
    texts = [
        f"{probe.prompt} {probe.target}"
        for file in records.values()
        for record in file
        for _, probe in record.questions()
    ]
    assert not set(re.findall(r"\w+|[^\w\s]", " ".join(texts))) - known


def test_only_the_held_out_task_asks_questions(records):
    for file in records.values():
        asked = Counter(
            record.task for record in file for _, probe in record.questions() if probe.kind in ("edit", "paraphrase")
            and probe.prompt.count("?")
        )  # fmt: skip
        assert asked["recent"] == 0 and asked["counterfact"] == 0
        assert asked["questions"] == 3 * len(of_task(file, "questions"))


def test_an_opinion_is_asked_in_both_polarities_and_of_a_topic_that_no_edit_touches(records):
    edited = {record.subject for file in records.values() for record in of_task(file, "convsent")}
    for record in of_task(records["edits"], "convsent"):
        sides = Counter(probe.name for probe in record.probes if probe.kind == "opinion")
        assert sides == {WANTED: 3, OPPOSITE: 3}
        own = opinions(record.subject)
        assert record.target in own[record.label] and record.label in POLARITIES
        assert {p.target for p in record.probes if p.name == WANTED} <= set(own[record.label])
        others = [probe for probe in record.probes if probe.name == "other_topic"]
        assert len(others) == 4 and not any(topic in probe.prompt for probe in others for topic in edited)
    labels = Counter(record.label for record in of_task(records["train"], "convsent"))
    assert labels == {"positive": 500, "negative": 500}
