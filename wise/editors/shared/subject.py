"""The subject of an edit that came without one: the longest name in its prompt."""

from __future__ import annotations

import re
from dataclasses import replace

from wise.records import EditRecord

NAME = re.compile(r"[A-Z0-9][\w'’.&-]*(?:\s+(?:(?:of|the|de|da|di|la|van|von|and|for)\s+)?[A-Z0-9][\w'’.&-]*)*")
"""Capitalised words or numbers in a row, with small words such as "of" between two of them."""

OPENINGS = frozenset(
    "A An The In On At Of For From By To With What When Where Which Who Whom Whose Why How Is Are Was Were Do Does Did "
    "Has Have Had Can Could Will Would It Its This That These Those He She They His Her Their I We You Name".split()
)
"""Words that begin a sentence in capitals without being a name."""

PUNCTUATION = ".?!,;:"


def find_subject(prompt: str) -> str:
    """The longest name in a prompt, the first of equally long ones; "" where there is none.

    A name is a row of words that begin with a capital letter or a digit, less words such as "Who" that only
    begin the sentence. It is a guess: whoever knows the subject says it.
    """
    names = [_without_opening(match.group()) for match in NAME.finditer(prompt)]
    return max((name.rstrip(PUNCTUATION) for name in names), key=len, default="")


def _without_opening(name: str) -> str:
    first, _, rest = name.partition(" ")
    rest = rest.lstrip()
    if first.rstrip(PUNCTUATION) not in OPENINGS:
        return name
    return _without_opening(rest) if rest[:1].isupper() or rest[:1].isdigit() else ""


def with_subject(record: EditRecord) -> tuple[EditRecord, str]:
    """The record with a subject that its prompt names, found there if need be, and what was done, "" for nothing."""
    if record.subject.strip() and record.subject in record.prompt:
        return record, ""
    found = find_subject(record.prompt)
    if found:
        return replace(record, subject=found), f"subject {found!r}, the longest name in the prompt"
    words = record.prompt.split()
    last = words[-1].rstrip(PUNCTUATION) or words[-1]
    return replace(record, subject=last), f"no subject was found: the prompt's last word {last!r} takes its place"
