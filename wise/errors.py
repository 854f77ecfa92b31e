"""Errors that name what is wrong, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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


NO_ROOM = ("allocate memory", "out of memory", "bad_alloc", "can't start new thread")
"""What errors of libraries say whose allocation failed; a thread needs memory for its stack."""


def is_short_of_memory(error: BaseException) -> bool:
    """Whether an error is that of an allocation that failed, of Python, a library or a GPU."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in NO_ROOM)


def short_of_memory(error: BaseException) -> str:
    """What to say of such an error."""
    return f"out of memory ({' '.join(str(error).split()) or 'memory'}); nothing is lost: start again with more"


def unknown(kind: str, name: str, choices: Iterable[str]) -> ConfigError:
    """The error for a mistyped `name`: the nearest valid choice first, then all of them."""
    choices, name = sorted(choices), printable(name)
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return ConfigError(f"unknown {kind} '{name}'.{hint} Valid choices: {', '.join(choices)}")


@contextmanager
def refusing(where: str, kind: type[WiseError]) -> Iterator[None]:
    """Turn whatever other people's code raises at data that it was not made for into `kind`, which opens with `where`.

    Only for a single step behind which nothing is left half done. Errors of this project and of memory pass.
    """
    try:
        yield
    except WiseError:
        raise
    except Exception as error:  # libraries raise anything at all, plain `Exception` included
        if is_short_of_memory(error):
            raise
        raise kind(f"{where} ({type(error).__name__}: {_cut(' '.join(str(error).split()), 500)})") from error


def shown(value: Any) -> str:
    """A value as a message quotes it: as Python writes it, cut short in the middle."""
    return _cut(repr(value))


def printable(text: str) -> str:
    """A text for a message: cut short, and without signs that would move a terminal's cursor."""
    return one_line(_cut(text), " ")


def one_line(text: str, space: str = "") -> str:
    """A text without line ends and other signs that move a terminal's cursor; white space but `space` becomes one."""
    text = text if space else " ".join(text.split())
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _cut(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 30]}...{text[-20:]}"
