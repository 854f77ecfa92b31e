"""Training records that nobody gave: the model's own samples, made into pseudo-edits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

from wise.editors.base import Editor
from wise.editors.shared.subject import with_subject
from wise.lm.contexts import write_samples
from wise.lm.load import LanguageModel
from wise.lm.pseudo_edits import pseudo_edits, question_edits, readable, unrelated
from wise.lm.questions import asked_about, questions
from wise.records import EditRecord
from wise.seeds import derive_seed

LOG = logging.getLogger(__name__)

SAMPLES, TOKENS = 128, 16
"""How many texts the model writes, and their length."""

FEWEST = 8
"""Training records below which what editors measure on them means little; the model's own samples are then added."""


def training_records(lm: LanguageModel, given: Sequence[EditRecord], seed: int = 0) -> list[EditRecord]:
    """`given` where it suffices; else with pseudo-edits from the model's own samples beside or inside it.

    Fewer than `FEWEST` records are followed by pseudo-edits; where no record has an `irrelevant` text, each takes
    one of the samples.
    """
    records = list(given)
    lacks_texts = not any(record.irrelevant.strip() for record in records)
    if len(records) >= FEWEST and not lacks_texts:
        return records
    LOG.info("the model writes %d texts of %d tokens, to learn from what it was not given", SAMPLES, TOKENS)
    texts = readable(lm, write_samples(lm, SAMPLES, TOKENS, derive_seed(seed, "irrelevant")), TOKENS)
    if lacks_texts and texts:
        records = [_beside(record, *own) for record, own in zip(records, cycle(unrelated(texts)), strict=False)]
    if len(records) >= FEWEST:
        return records
    return [*records, *pseudo_edits(texts, questions(lm, SAMPLES)), *question_edits(texts, asked_about(lm))]


def completed(
    editor: Editor, edits: Sequence[EditRecord], train: Sequence[EditRecord]
) -> tuple[list[EditRecord], list[EditRecord]]:
    """Edits and training records with what `editor` needs of them and nobody gave; the log says what that was.

    An edit without the subject at which it is written gets the longest name in its prompt, one without an irrelevant
    text one of the training records', and these are as `training_records` makes them. What is not needed, or is there,
    stays as it is.
    """
    edits, train = list(edits), list(train)
    lacking = [i for i, record in enumerate(edits) if editor.needs_irrelevant and not record.irrelevant.strip()]
    if editor.learns_from_records() or lacking:
        train = training_records(editor.lm, train)
    texts = [(record.irrelevant, record.irrelevant_prompt) for record in train if record.irrelevant.strip()]
    if lacking and texts:
        LOG.info("%d edits have no 'irrelevant' text and take one of the training records'", len(lacking))
        for i, own in zip(lacking, cycle(texts), strict=False):
            edits[i] = _beside(edits[i], *own)
    if editor.needs_subject:
        for i, record in enumerate(edits):
            edits[i], note = with_subject(record)
            if note:
                LOG.info("edit '%s': %s", record.id, note)
    return edits, train


def _beside(record: EditRecord, text: str, prompt: str) -> EditRecord:
    """The record with a text that its edit leaves alone."""
    return replace(record, irrelevant=text, irrelevant_prompt=prompt)
