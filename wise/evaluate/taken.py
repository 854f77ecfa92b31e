"""Did an edit take? The model is asked the edit's prompt, and its free answer is compared with the target."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from wise.editors.base import Editor, EditOutcome
from wise.errors import EditNotTaken
from wise.lm.batch import encode
from wise.lm.generate import generate_tokens
from wise.records import EditRecord

SHOWN = 3
"""Failed edits that a warning quotes."""


def judged(editor: Editor, records: Sequence[EditRecord], outcomes: Sequence[EditOutcome]) -> list[EditOutcome]:
    """The outcomes with `answer`, what the model answers now, and `took`, whether that is the target.

    An answer is free and greedy, with as many tokens as the target has. All are asked behind the last edit, so an
    edit that a later one of the same call has overwritten did not take. Those that did not are left in
    `editor.not_taken` by their ids, with the answer.
    """
    lm = editor.lm
    wanted = [text.target for text in encode(lm, [r.prompt for r in records], [r.target for r in records])]
    new = generate_tokens(lm, [record.prompt for record in records], max(map(len, wanted)))
    result = []
    for record, outcome, tokens, row in zip(records, outcomes, wanted, new, strict=True):
        given = row[: len(tokens)]
        answer = cast(str, lm.tokenizer.decode(given, skip_special_tokens=True)).strip()
        took = tuple(given) == tokens or answer == record.target.strip()
        if not took:
            editor.not_taken[record.id] = answer
        result.append(replace(outcome, took=took, answer=answer))
    return result


def warn_of_failures(editor: Editor, records: Sequence[EditRecord], outcomes: Sequence[EditOutcome]) -> None:
    """One `EditNotTaken` warning for a call with edits that did not take; it names the option to change."""
    failed = [(record, outcome) for record, outcome in zip(records, outcomes, strict=True) if not outcome.took]
    if not failed:
        return
    shown = "; ".join(
        f"{record.prompt!r} is answered {outcome.answer!r}, not {record.target!r}" for record, outcome in failed[:SHOWN]
    )
    more = f"; and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    message = f"{editor.name}: {len(failed)} of {len(records)} edits did not take: {shown}{more}. {editor.remedy}"
    warnings.warn(EditNotTaken(message), stacklevel=5)  # the line that called `edit`, behind what sets the mode
