"""The folder of a saved memory, written so that a crash leaves the old one or the new one, never a mixture.

    config.json          what the memory is and which base model it belongs to
    memory.safetensors   the tensors
    edits.jsonl          the log of edits, one `EditRecord` a line
    README.md            the model card

Nothing here loads a model: `wise inspect` reads a folder with this module alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wise.documents import refuse_archive
from wise.editors.entries import EDITORS
from wise.errors import ConfigError, DataError, shown, unknown
from wise.files import read_json, sha256, write_json, write_text
from wise.memory.description import EDITS, SCHEMA, TENSORS, problems
from wise.records import EditRecord, read_records, write_records

CONFIG, CARD = "config.json", "README.md"
FILES = (CONFIG, TENSORS, EDITS, CARD)

_COMMIT = ".commit"


@dataclass(frozen=True)
class SavedMemory:
    """A folder that was read and found whole: its config, its log of edits, and the file of its tensors."""

    folder: Path
    config: dict[str, Any]
    edits: list[EditRecord]
    tensors: Path


def write_folder(
    folder: str | Path,
    config: Mapping[str, Any],
    edits: Sequence[EditRecord],
    card: str,
    write_tensors: Callable[[Path], None],
) -> None:
    """Write all four files to `folder`; other files that lie in it are left alone.

    They are made in a hidden folder inside, which one rename turns into the commit: before it the old
    memory is whole, after it readers find the new one, whether or not its files have been moved up yet.
    Raises `ConfigError` as `require_free` does.
    """
    folder = Path(folder)
    require_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _move_up(folder)
    for abandoned in folder.glob(".new-*"):
        _require_own(abandoned)
        shutil.rmtree(abandoned)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as name:
        new = Path(name)
        write_tensors(new / TENSORS)
        write_records(new / EDITS, edits)
        write_text(new / CARD, card)
        digests = {file: sha256(new / file) for file in (TENSORS, EDITS)}
        write_json(new / CONFIG, sealed({"schema": SCHEMA} | dict(config) | {"files": digests}))
        os.rename(new, folder / _COMMIT)
    _move_up(folder)


def require_free(folder: Path) -> None:
    """Raise `ConfigError` where `folder` holds no memory but files that one would replace, such as those of a model."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; the memory needs a folder")
    taken = [name for name in FILES if (folder / name).exists()]
    if taken and not (folder / _COMMIT).exists() and not _is_memory(folder / CONFIG):
        raise ConfigError(
            f"{folder}: is no memory, and its {', '.join(taken)} would be replaced; name another folder, or a new one"
        )


def _is_memory(config: Path) -> bool:
    """Whether a config.json is that of a memory, of whatever version."""
    try:
        found = read_json(config)
    except DataError:
        return False
    return isinstance(found, dict) and "schema" in found


def sealed(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config with the digest of itself, of everything else that it says, among those of the files."""
    files = {name: digest for name, digest in config["files"].items() if name != CONFIG}
    text = json.dumps({**config, "files": files}, sort_keys=True)
    return {**config, "files": files | {CONFIG: hashlib.sha256(text.encode()).hexdigest()}}


def read_config(folder: str | Path) -> dict[str, Any]:
    """config.json of a saved memory.

    Raises `ConfigError` where there is no memory, or one of another schema or of an unknown editor, and `DataError` for
    a file that is missing, no JSON, or not as `wise.memory.description` says.
    """
    folder = Path(folder)
    if folder.is_file():
        refuse_archive(folder)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder of a saved memory")
    path = _find(folder, CONFIG)
    config = read_json(path)
    found = config.get("schema") if isinstance(config, dict) else None
    if found != SCHEMA:
        raise ConfigError(f"{path}: schema is {shown(found)}, this version reads {SCHEMA}; make the edits again")
    if wrong := problems(config):
        raise DataError(f"{path}: {'; '.join(wrong)}")
    if config["editor"] not in EDITORS:
        raise ConfigError(f"{path}: {unknown('editor', config['editor'], EDITORS)}")
    if CONFIG in config["files"] and config != sealed(config):  # older memories have none
        raise DataError(f"{path}: changed since it was saved, by its own digest in 'files'")
    return config


def read_folder(folder: str | Path) -> SavedMemory:
    """Read `folder` and check that it is whole.

    Raises as `read_config` does, and `DataError` naming the file that is missing, truncated or changed.
    """
    folder = Path(folder)
    config = read_config(folder)
    for name in (TENSORS, EDITS):
        refuse_archive(_find(folder, name))
        _check_digest(_find(folder, name), config["files"].get(name, ""))
    edits = read_records(_find(folder, EDITS), may_be_empty=True)
    if len(edits) != config["edits"]:
        raise DataError(f"{folder / EDITS}: holds {len(edits)} edits, {CONFIG} says {config['edits']}")
    return SavedMemory(folder, config, edits, _find(folder, TENSORS))


def _find(folder: Path, name: str) -> Path:
    """Where a file is now: still in the commit, when moving it up was interrupted, or in the folder itself."""
    commit = folder / _COMMIT
    _require_own(commit)
    path = next((path for path in (commit / name, folder / name) if path.is_file()), None)
    if path is None:
        raise DataError(f"{folder / name}: missing; a saved memory consists of {', '.join(FILES)}")
    return path


def _require_own(place: Path) -> None:
    """Raise `DataError` for a link: files would be moved away from where it leads."""
    if place.is_symlink():
        raise DataError(f"{place}: is a link, which no memory has; remove it")


def _check_digest(path: Path, expected: str) -> None:
    digest = sha256(path)
    if digest != expected:
        raise DataError(
            f"{path}: truncated or changed since it was saved (sha256 {digest[:12]}, {CONFIG} has {expected[:12]})"
        )


def _move_up(folder: Path) -> None:
    """Move the files of a commit to their places; goes on where an earlier call was interrupted."""
    commit = folder / _COMMIT
    _require_own(commit)
    if commit.is_dir():
        for name in FILES:
            if (commit / name).exists():
                os.replace(commit / name, folder / name)
        commit.rmdir()
