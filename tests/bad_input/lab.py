"""One attempt: sound input is damaged, read and given to a verb, and what comes of it is judged."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.bad_input.damage import Damage, Draw
from wise.cli import main
from wise.errors import WiseError

Files = Mapping[str, bytes]
"""Contents by path below the folder `in`."""

LISTED = ("Valid choices", "valid are", "expected one of", "transformers reads these", "such as")
"""How messages list what would be right."""


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    `sound`: files that are right. `damaged` draws what is wrong, with the file that it is in. `read` takes the folder
    `in` and returns nothing; it raises `WiseError` for what it refuses, and `AssertionError` where it accepts something
    else than the files say. `verbs` are commands that read the same, given the folders `in` and `out`. `names` are
    words of which a message has one beside those of files.
    """

    name: str
    sound: Callable[[], Files]
    damaged: Callable[[Draw, Files], tuple[str, Damage]]
    read: Callable[[Path], None]
    verbs: Callable[[Path, Path], list[list[str]]] = lambda given, out: []
    names: tuple[str, ...] = ()
    busy: Callable[[Path, Path], list[list[str]]] = lambda given, out: []
    """Verbs that are tried with refused input alone, because accepted input would keep them busy for long."""
    writes: tuple[str, ...] = ("undo",)
    """Verbs that change their input."""
    extra: Callable[[Draw, Path], None] = field(default=lambda draw, folder: None)
    """Something that is done to the damaged folder at last, such as new digests."""


def attempt(kind: Kind, draw: Draw) -> str:
    """`accepted` or `refused`; raises `AssertionError`, which says what was done, for anything else."""
    file, damage = kind.damaged(draw, kind.sound())
    with tempfile.TemporaryDirectory(prefix="bad-input-") as name, contextlib.chdir(name):
        root = Path(name)
        given, out, elsewhere = root / "in", root / "out", root / "elsewhere"
        for folder in (given, out, elsewhere):
            folder.mkdir()
        (elsewhere / "kept").write_text("kept")
        for path, content in {**kind.sound(), file: damage.content}.items():
            (given / path).parent.mkdir(parents=True, exist_ok=True)
            (given / path).write_bytes(content)
        kind.extra(draw, given)
        told = f"{kind.name}: {file}: {damage.what}"
        before = _digest(given), _digest(elsewhere)
        ending, message = _read(kind, given, told)
        if ending == "refused":
            _require_clear(kind, file, message, damage.choices, told)
        verbs = kind.verbs(given, out) + (kind.busy(given, out) if ending == "refused" else [])
        if verbs:
            verb = draw(st.sampled_from(verbs))
            _command(kind, verb, file, told)
            if verb[0] in kind.writes:
                before = _digest(given), before[1]
        assert (_digest(given), _digest(elsewhere)) == before, f"{told}: something was written outside of out"
        assert sorted(os.listdir(root)) == ["elsewhere", "in", "out"], f"{told}: {os.listdir(root)}"
    return ending


def _read(kind: Kind, given: Path, told: str) -> tuple[str, str]:
    try:
        kind.read(given)
    except WiseError as error:
        return "refused", str(error)
    except AssertionError as error:
        raise AssertionError(f"{told}: accepted, but {error}") from error
    except Exception as error:
        raise AssertionError(f"{told}: {type(error).__name__}: {str(error)[:300]}") from error
    return "accepted", ""


def _command(kind: Kind, verb: list[str], file: str, told: str) -> None:
    """Run a command in this process: it may fail, with status 2 and one clear line."""
    silent, printed = contextlib.redirect_stdout(io.StringIO()), io.StringIO()
    with logged() as lines, silent, contextlib.redirect_stderr(printed):
        try:
            status = main(verb)
        except SystemExit as error:  # argparse
            status = error.code
        except Exception as error:
            raise AssertionError(f"{told}: wise {verb[0]}: {type(error).__name__}: {str(error)[:300]}") from error
    assert status in (0, 1, 2), f"{told}: wise {verb[0]} ended with {status}"
    if status == 2:
        message = " ".join([*lines, printed.getvalue()])
        _require_clear(kind, file, message, False, f"{told}: wise {verb[0]}")


def _require_clear(kind: Kind, file: str, message: str, choices: bool, told: str) -> None:
    named = (Path(file).name, *file.split("/"), "/in", *kind.names)
    assert any(name in message for name in named), f"{told}: names neither file nor key: {message[:300]}"
    assert not choices or any(text in message for text in LISTED), f"{told}: lists no choices: {message[:300]}"
    assert "Traceback" not in message, told


@contextlib.contextmanager
def logged() -> Iterator[list[str]]:
    """The errors that are logged inside the block."""
    lines: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, top = Keeping(logging.ERROR), logging.getLogger()
    top.addHandler(handler)
    try:
        yield lines
    finally:
        top.removeHandler(handler)


def _digest(folder: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }
