"""Errors that name what is wrong, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

LONGEST = 120
"""Characters of a value that a message quotes."""


class WiseError(Exception):
    """Base of every error that a user can mend; the command line prints it without a traceback."""


class DataError(WiseError):
    """A record or file that cannot be used; the message names the file, the line and the key."""


class NothingToShow(DataError):
    """Runs that have nothing of what a table or figure shows; it is then written with this reason in its place."""


class ConfigError(WiseError):
    """An option that does not exist or does not fit; the message lists the valid choices."""


class EditError(WiseError):
    """An edit that could not be made, such as one whose loss became NaN or infinite."""


class EditNotTaken(UserWarning):
    """An edit was made, but the model does not answer with its target; the message names the option to change."""


def unknown(kind: str, name: str, choices: Iterable[str]) -> ConfigError:
    """The error for a mistyped `name`: the nearest valid choice first, then all of them."""
    choices, name = sorted(choices), printable(name)
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return ConfigError(f"unknown {kind} '{name}'.{hint} Valid choices: {', '.join(choices)}")


def shown(value: Any) -> str:
    """A value as a message quotes it: as Python writes it, cut short in the middle."""
    return _cut(repr(value))


def printable(text: str) -> str:
    """A text for a message: cut short, and without signs that would move a terminal's cursor."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in _cut(text))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 30]}...{text[-20:]}"
