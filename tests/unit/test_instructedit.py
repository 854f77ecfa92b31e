"""InstructEdit: instructions in front of edits, tasks that take turns, and MEND where there are neither."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, QUICK, STREAM, ready
from wise.editors.mend.training import Trainer
from wise.editors.registry import make_editor
from wise.errors import ConfigError, DataError
from wise.instructions.instruction import drawn, instruction
from wise.instructions.sentences import wording
from wise.records import OPPOSITE, WANTED, Probe

ENGLISH = wording("english")
RECENT = replace(STREAM[0], task="recent")
OPINIONS = tuple(Probe("opinion", "the city", word, name) for word, name in (("North", WANTED), ("South", OPPOSITE)))
FEELING = replace(STREAM[1], task="convsent", label="positive", probes=(*STREAM[1].probes, *OPINIONS))


def editor(**options):
    return make_editor("instructedit", tiny_language_model(), 2, QUICK["instructedit"] | options, CONTEXTS)


def texts(made, frozen):
    """What stands before the target in each row; words that the tokenizer lacks are all the same."""
    tokens = zip(frozen.batch.input_ids, frozen.batch.start, strict=True)
    return [made.lm.tokenizer.decode(ids[1:start]) for ids, start in tokens]


def told(made, record, prompt, number):
    return made.lm.tokenizer.decode(
        made.lm.tokenizer(instruction(record, number, ENGLISH).before(prompt))["input_ids"][1:]
    )


def test_edits_and_their_questions_stand_behind_one_sentence():
    made = editor(instruction=9)
    assert made.asked(RECENT, Probe("paraphrase", "where was Ada", "Port")) == instruction(RECENT, 9, ENGLISH).before(
        "where was Ada"
    )
    assert made.asked(RECENT, Probe("locality_far", "where was Ada", "Port")) == "where was Ada"
    rows = made.augmented(RECENT, 2)
    assert len(rows) == 3 and all(row.startswith("Task: recent\nDescription: ") for row in rows)
    assert rows[0].endswith(f"\nInput: {RECENT.prompt}")
    by_seed = editor()
    assert by_seed.augmented(RECENT, 0) == [instruction(RECENT, drawn(RECENT, 0), ENGLISH).before(RECENT.prompt)]


def test_lessons_are_told_and_asked_plainly_too():
    made = editor(context_prefixes=1)
    lesson, number = made._lessons().lesson(FEELING, 0), drawn(FEELING, 0)
    questions = [FEELING.prompt, FEELING.probes[0].prompt, "the city"]
    expected = [told(made, FEELING, question, number) for question in questions] + questions
    assert texts(made, lesson.scope) == expected
    assert texts(made, lesson.edit)[0] == expected[0] and len(lesson.edit.batch.start) == 2
    assert texts(made, lesson.against) == [expected[2]]
    assert texts(made, lesson.outside) == [FEELING.probes[1].prompt]
    plain = editor(instructed=False)._lessons().lesson(FEELING, 0)
    assert texts(made, plain.scope) == questions


def test_without_instructions_and_tasks_it_is_mend():
    mend = ready("mend")
    lessons = editor(instructed=False, balanced=False, context_prefixes=10)._lessons()
    lessons.label = "mend"  # the same draws
    trained = Trainer(lessons).train(STREAM).network
    assert all(torch.equal(tensor, mend.prepared[name]) for name, tensor in trained.state_dict().items())


def test_tasks_take_turns_or_come_as_often_as_their_records():
    records = [replace(STREAM[0], id=str(i), task="recent") for i in range(9)] + [FEELING]

    def counted(**options):
        lessons = editor(iterations=20, context_prefixes=0, **options)._lessons()
        return Counter(lesson.record.task for lesson in lessons.stream(lessons.chosen(records)))

    assert counted() == {"recent": 10, "convsent": 10}
    assert counted(balanced=False) == {"recent": 18, "convsent": 2}
    assert counted(tasks=["recent"]) == {"recent": 20}
    with pytest.raises(
        DataError, match="no training record is of the task 'questions'; there are 'convsent', 'recent'"
    ):
        counted(tasks=("questions",))


def test_the_training_seed_is_another_network():
    first, second = ready("instructedit"), ready("instructedit", train_seed=1)
    assert not torch.equal(first.prepared["layers.0.down"], second.prepared["layers.0.down"])
    made, given = first.edit_directions(RECENT)
    assert made.shape == given.shape == (64,) and not torch.equal(made, given)
    assert [each.norm().item() for each in (made, given)] == pytest.approx([1.0, 1.0], abs=1e-5)
    assert not torch.equal(made, ready("instructedit", instruction=9).edit_directions(RECENT)[0])


def test_an_edit_without_a_task_is_introduced_in_general_and_a_wrong_task_is_named():
    made = ready("instructedit")
    assert made.augmented(STREAM[0], 0)[0].startswith("Task: general\n")
    with pytest.raises(ConfigError, match="'recents'"):
        made.edit(replace(STREAM[0], task="recents"))
    with pytest.raises(DataError, match="needs 'positive' or 'negative'"):
        ready("instructedit", instruction=0).edit(replace(STREAM[0], task="convsent"))
    with pytest.raises(ConfigError, match="wording"):
        editor(wording="englisch")
    with pytest.raises(ConfigError, match="instruction"):
        editor(instruction=10)
    assert made.edit(STREAM[0]).iterations == 1
