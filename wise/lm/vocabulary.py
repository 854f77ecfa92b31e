"""What a tokenizer cannot write: no edit can be made of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from wise.errors import DataError
from wise.lm.batch import encode
from wise.lm.load import LanguageModel
from wise.records import EDIT_INDEX, EditRecord

LOG = logging.getLogger(__name__)

SHOWN = 20
"""Problems that an error lists."""


def require_writable(lm: LanguageModel, records: Sequence[EditRecord]) -> None:
    """Raise `DataError` for the first record whose target or subject the tokenizer writes with its unknown token.

    Such an edit would teach the model to say "unknown", and report success.
    """
    for problem in (problem for record in records for problem in _lost(lm, record)):
        raise DataError(problem)


def require_fitting(lm: LanguageModel, records: Sequence[EditRecord]) -> None:
    """Raise `DataError` that names every edit of a dataset which the model cannot learn or be asked about.

    These are targets and subjects that `require_writable` refuses, and questions that are longer than the context. A
    warning counts prompts of which the model reads some words as unknown.
    """
    problems = [problem for record in records for problem in (*_lost(lm, record), *_too_long(lm, record))]
    if problems:
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        listed = "; ".join([*problems[:SHOWN], *more])
        raise DataError(
            f"'{lm.name}' cannot work with {len(problems)} texts of these edits: {listed}. "
            "A model that is trained here can write every text with the option tokenizer: bpe"
        )
    unread = [
        record.id for record in records if lm.tokenizer.unk_token_id is not None and unwritable(lm, record.prompt)
    ]
    if unread:
        LOG.warning(
            "%d prompts, the first of edit '%s', have words that '%s' reads as unknown; prompts that differ in nothing "
            "else are one to it",
            len(unread),
            unread[0],
            lm.name,
        )


def _lost(lm: LanguageModel, record: EditRecord) -> Iterator[str]:
    """What the tokenizer cannot write of a record."""
    if lm.tokenizer.unk_token_id is None:
        return
    for key, text in (("target", record.target), ("subject", record.subject)):
        lost = unwritable(lm, text)
        if lost:
            yield (
                f"edit '{record.id}': the {key} {text!r} cannot be written by the tokenizer of '{lm.name}', which "
                f"has only its unknown token {lm.tokenizer.unk_token!r} for {', '.join(map(repr, lost))}"
            )


def _too_long(lm: LanguageModel, record: EditRecord) -> Iterator[str]:
    """Questions of a record that the context does not hold."""
    for index, probe in record.questions():
        try:
            encode(lm, [probe.prompt], [probe.target])
        except DataError as error:
            yield f"edit '{record.id}'{f', probe {index}' if index != EDIT_INDEX else ''}: {error}"


def unwritable(lm: LanguageModel, text: str) -> list[str]:
    """The parts of a text for which the tokenizer has nothing but its unknown token."""
    if not text.strip():
        return []
    tokens = lm.tokenizer(text.strip(), add_special_tokens=False, return_offsets_mapping=True)
    places = zip(tokens["input_ids"], tokens["offset_mapping"], strict=True)
    return [text.strip()[start:end] for token, (start, end) in places if token == lm.tokenizer.unk_token_id]
