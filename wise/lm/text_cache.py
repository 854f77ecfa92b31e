"""Texts that a model has written before, kept on this machine so that they are not sampled again."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wise.errors import DataError
from wise.files import read_json, write_json

LOG = logging.getLogger(__name__)

VARIABLE = "WISE_CACHE"
"""Environment variable with the folder of the cache; `off` keeps nothing."""

VERSION = 2
"""Raised when the same seed gives other texts than before."""


def cache_folder() -> Path | None:
    """`$WISE_CACHE`, else `wise-editing` in the user's folder of caches (XDG); None where it is switched off."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen.lower() == "off":
        return None
    usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "wise-editing"
    return Path(chosen) if chosen else usual


@dataclass(frozen=True)
class TextCache:
    """The kept texts of one model, in a `folder` of its own; one JSON file for each number, length and seed."""

    folder: Path

    @classmethod
    def of(cls, digest: str) -> TextCache | None:
        """The texts of the model with that digest; None where nothing is kept."""
        folder = cache_folder()
        return None if folder is None else cls(folder / f"texts-{VERSION}" / digest)

    def texts(self, count: int, length: int, seed: int, write: Callable[[], list[str]]) -> list[str]:
        """What `write` returned when these numbers were first asked for; a file that cannot be read is made anew."""
        file = self.folder / f"{count}x{length}-{seed}.json"
        if (kept := _read(file)) is not None:
            return kept
        texts = write()
        try:
            write_json(file, texts)
        except OSError as error:  # a home that cannot be written to is no reason to stop
            LOG.warning("%s: texts are not kept (%s); %s=off says so from the start", file, error.strerror, VARIABLE)
        return texts


def _read(file: Path) -> list[str] | None:
    if not file.exists():
        return None
    try:
        texts = read_json(file)
    except (OSError, DataError) as error:
        LOG.warning("%s: cannot be read (%s) and is made anew", file, error)
        return None
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        return texts
    LOG.warning("%s: holds no list of texts and is made anew", file)
    return None
