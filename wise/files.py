"""Files that are either whole or absent, and digests of what they hold."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wise.documents import read_json as read_json  # what `write_json` wrote
from wise.errors import DataError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it there when the block ends well.

    A killed or failed block leaves the former file (or none) in place, never half of one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        make_readable(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def make_readable(path: str | Path) -> None:
    """Give a file, or each inside a folder, the mode of ordinary new files: some libraries make theirs private."""
    umask = os.umask(0)
    os.umask(umask)
    for file in [path] if (path := Path(path)).is_file() else path.rglob("*"):
        if file.is_file():
            file.chmod(0o666 & ~umask)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON; NaN and infinities are refused because JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON document a line, atomically."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal(path: str | Path) -> None:
    """Note the digest of a file that a job has made, or of each file right inside a folder, beside it."""
    path = Path(path)
    for file in [path] if path.is_file() else sorted(path.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            write_text(_seal(file), f"{sha256(file)}  {file.name}\n")


def check_seals(path: str | Path) -> None:
    """Raise `DataError` where a file, or one inside a folder, is no more what the job that made it has written.

    Files that no job of the workflow has made have no seal and are not looked at.
    """
    path = Path(path)
    seals = path.glob(".*.sha256") if path.is_dir() else [_seal(path)]
    for noted in seals:
        file = noted.with_name(noted.name.removeprefix(".").removesuffix(".sha256"))
        if noted.is_file() and file.exists() and noted.read_text(encoding="utf-8").split()[:1] != [sha256(file)]:
            raise DataError(
                f"{file}: damaged or changed since it was made; remove it and start the workflow again, which makes it "
                f"anew (or remove {noted} where the change is meant)"
            )


def _seal(file: Path) -> Path:
    """Where the digest of a file is noted."""
    return file.with_name(f".{file.name}.sha256")
