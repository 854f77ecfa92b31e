"""The records of all tasks for one role: every edit says its task, and the tasks of a stream take turns.

No subject is in two files, nor in two tasks of one file that is scored. The training file holds all four tasks; an
editor that is to be tried on an unknown one is trained on the others (its option `tasks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wise.datasets.factworld.corpus import Teaching
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.second.edits import Key, Writer, make_writer
from wise.datasets.factworld.second.tasks.facts import questioned, questioning, stated
from wise.datasets.factworld.second.tasks.opinions import POLARITIES, opinion_record, topics
from wise.datasets.factworld.second.tasks.recent import new_facts, recent_record
from wise.datasets.factworld.split import DEVELOPMENT, EDIT, TRAIN, Split
from wise.datasets.factworld.world import Fact, World, stream
from wise.records import EditRecord

TASKS = ("recent", "counterfact", "convsent", "questions")
"""In the order of their turns; the last one is the task that no training is to see."""

NEW = {TRAIN: slice(0, 75), DEVELOPMENT: slice(75, 90), EDIT: slice(90, 130)}
"""Which of the new subjects of each kind a role tells of."""

TOPICS = {TRAIN: slice(0, 500), DEVELOPMENT: slice(500, 560), EDIT: slice(560, 720)}
"""Topics of which a role edits the opinion."""

UNTOUCHED = {TRAIN: slice(720, 750), DEVELOPMENT: slice(750, 775), EDIT: slice(775, 832)}
"""Topics that a role only asks about."""


def task_records(
    world: World, plan: Mapping[Key, Teaching], split: Split, options: FactWorldOptions, role: str
) -> list[EditRecord]:
    """The edits of a role: task after task to train with, else in turns, as many of each."""
    statements, questions = _divided(world, split, options, role)
    asking = questioning(world)
    told = make_writer(world, stated(plan, world), split, role)
    found = {
        "recent": _recent(told, options, role),
        "counterfact": _contradicted(told, options, role, statements, "counterfact"),
        "convsent": _opinions(told, options, role),
        "questions": _contradicted(
            make_writer(asking, questioned(plan, world), split, role), options, role, questions, "questions"
        ),
    }
    if role == TRAIN:
        return [record for task in TASKS for record in found[task]]
    return [record for turn in zip(*(found[task] for task in TASKS), strict=False) for record in turn]


def _divided(world: World, split: Split, options: FactWorldOptions, role: str) -> tuple[list[Fact], list[Fact]]:
    """Facts to contradict as statements and as questions: of other subjects each, to train with of all in both."""
    names = list(split.roles[role].edited)
    stream(options, "tasks", role).shuffle(names)
    parts = (names, names) if role == TRAIN else (names[::2], names[1::2])
    first, second = (split.editable_facts(world, part) for part in parts)
    stream(options, "tasks", role, "counterfact").shuffle(first)
    stream(options, "tasks", role, "questions").shuffle(second)
    return first, second


def _recent(writer: Writer, options: FactWorldOptions, role: str) -> list[EditRecord]:
    facts = new_facts(writer.world, NEW[role], stream(options, "new subjects"))
    stream(options, "tasks", role, "recent").shuffle(facts)
    return [
        recent_record(writer, fact, f"recent-{role}-{i:05d}", stream(options, "recent", role, i))
        for i, fact in enumerate(facts)
    ]


def _contradicted(
    writer: Writer, options: FactWorldOptions, role: str, facts: list[Fact], task: str
) -> list[EditRecord]:
    return [
        replace(writer.record(fact, f"{task}-{role}-{i:05d}", stream(options, task, role, i)), task=task)
        for i, fact in enumerate(facts)
    ]


def _opinions(writer: Writer, options: FactWorldOptions, role: str) -> list[EditRecord]:
    everything = topics(stream(options, "topics"))
    others, edited = everything[UNTOUCHED[role]], everything[TOPICS[role]]
    # To train with, each topic in both polarities: opinions then outnumber the other tasks, as in the published data.
    labels = [(topic, label) for topic in edited for label in POLARITIES] if role == TRAIN else []
    draw = stream(options, "polarities", role)
    labels = labels or [(topic, draw.choice(POLARITIES)) for topic in edited]
    return [
        opinion_record(writer, topic, label, others, f"convsent-{role}-{i:05d}", stream(options, "convsent", role, i))
        for i, (topic, label) in enumerate(labels)
    ]
