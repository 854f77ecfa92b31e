"""What a tokenizer cannot write: no edit can be made of it."""

from __future__ import annotations

from collections.abc import Sequence

from wise.errors import DataError
from wise.lm.load import LanguageModel
from wise.records import EditRecord


def require_writable(lm: LanguageModel, records: Sequence[EditRecord]) -> None:
    """Raise `DataError` for the first record whose target or subject the tokenizer writes with its unknown token.

    Such an edit would teach the model to say "unknown", and report success.
    """
    if lm.tokenizer.unk_token_id is None:
        return
    for record in records:
        for key, text in (("target", record.target), ("subject", record.subject)):
            lost = unwritable(lm, text)
            if lost:
                raise DataError(
                    f"edit '{record.id}': the {key} {text!r} cannot be written by the tokenizer of '{lm.name}', which "
                    f"has only its unknown token {lm.tokenizer.unk_token!r} for {', '.join(map(repr, lost))}"
                )


def unwritable(lm: LanguageModel, text: str) -> list[str]:
    """The parts of a text for which the tokenizer has nothing but its unknown token."""
    if not text.strip():
        return []
    tokens = lm.tokenizer(text.strip(), add_special_tokens=False, return_offsets_mapping=True)
    places = zip(tokens["input_ids"], tokens["offset_mapping"], strict=True)
    return [text.strip()[start:end] for token, (start, end) in places if token == lm.tokenizer.unk_token_id]
