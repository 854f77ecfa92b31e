"""The text in front of an edit: three lines with its task, a sentence that describes the task, and the prompt."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wise.errors import ConfigError, DataError
from wise.instructions.sentences import COUNT, HELD_OUT, Wording
from wise.records import IN_SCOPE, EditRecord, Probe

TOPIC, LABEL = "[TOPIC]", "[LABEL]"
"""Slots of sentences, filled in training and in testing."""


@dataclass(frozen=True)
class Instruction:
    """What stands in front of the prompts of one edit: the `task` and the `description`, under `heads`."""

    heads: tuple[str, str, str]
    task: str
    description: str

    def before(self, prompt: str) -> str:
        """The prompt behind the instruction, as three lines."""
        parts = (self.task, self.description, prompt)
        return "\n".join(f"{head}: {part}" for head, part in zip(self.heads, parts, strict=True))


def instruction(record: EditRecord, index: int, words: Wording) -> Instruction:
    """The instruction of an edit by sentence number `index` of its task, from 0; the last one is `HELD_OUT`.

    Raises `ConfigError` for a task or a number that there is not, and `DataError` for a sentence that speaks of a
    polarity where the record has none.
    """
    tag, task = words.task(record.task)
    if not 0 <= index < COUNT:
        raise ConfigError(f"instructions are numbered from 0 to {HELD_OUT}, not {index}")
    sentence = task.sentences[index].replace(TOPIC, record.subject or words.unnamed)
    if LABEL in sentence:
        label = next((word for name, word in words.labels.items() if name == record.label), None)
        if label is None:
            expected = " or ".join(f"'{name}'" for name in words.labels)
            raise DataError(f"edit '{record.id}': its 'label' is {record.label!r}, and its task needs {expected}")
        sentence = sentence.replace(LABEL, label)
    return Instruction(words.heads, tag, sentence)


def drawn(record: EditRecord, seed: int) -> int:
    """Number of one of the sentences that training may see, drawn for each record; the same in every run."""
    return random.Random(f"instruction/{seed}/{record.id}").randrange(HELD_OUT)


def instructed(record: EditRecord, index: int, words: Wording) -> EditRecord:
    """The edit with its own prompt and every question whose answer it changes behind its instruction.

    Questions that it has to leave alone are asked as they are.
    """
    told = instruction(record, index, words)
    return replace(record, prompt=told.before(record.prompt), probes=_told(record.probes, told))


def _told(probes: Sequence[Probe], told: Instruction) -> tuple[Probe, ...]:
    return tuple(
        replace(probe, prompt=told.before(probe.prompt)) if probe.kind in IN_SCOPE else probe for probe in probes
    )
