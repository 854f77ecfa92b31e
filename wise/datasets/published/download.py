"""Get a raw file: from a folder of the user's own, from an earlier download, or from its address.

A download goes on where it was broken off, and a file takes its name only when size and digest are right.
"""

from __future__ import annotations

import errno
import http.client
import logging
import os
import ssl
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from wise.datasets.published.raw_files import Source
from wise.errors import DataError
from wise.files import read_json, sha256, write_json

LOG = logging.getLogger("wise.data")

CHUNK = 1 << 16
ATTEMPTS = 4
"""Tries at one address, each going on where the last one broke off."""
TIMEOUT = 60.0
BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
FULL = (errno.ENOSPC, errno.EDQUOT)


class _Refused(Exception):
    """The address does not have the file; trying again would not help."""


@dataclass(frozen=True)
class _Digest:
    size: int  # 0 where it was not published
    sha256: str

    def __str__(self) -> str:
        return f"{f'{self.size} bytes' if self.size else 'a file'} with sha256 {self.sha256}"

    def fits(self, found: _Digest) -> bool:
        """Whether a file of digest `found` is the expected one."""
        return self.size in (0, found.size) and self.sha256 == found.sha256


def fetch(
    source: Source,
    folder: str | Path,
    local_dir: str | Path | None = None,
    offline: bool = False,
    pause: float = 1.0,
) -> Path:
    """The path of a raw file, downloaded to `folder`/`source.folder` if need be.

    A file in `local_dir` (there, or in its folder `source.folder`) is taken as it is, with a warning where its digest
    is another one. Otherwise a file downloaded before serves if its digest fits. `pause` is the wait in seconds
    before a second try, doubled at each further one.

    Raises `DataError` where the file is missing and `offline` is set or it has no address, for a failed download, for
    a wrong size or digest, and for a full disk.
    """
    if local_dir and (found := _local(source, Path(local_dir))):
        return found
    target = Path(folder) / source.folder / source.name
    expected = _expected(source, target)
    if target.exists():
        found_digest = _digest(target)
        if expected is None:
            _record(target, found_digest)
        if expected is None or expected.fits(found_digest):
            return target
        if offline or not source.urls:
            raise DataError(
                f"{_mismatch(target, expected, found_digest)}. Delete it and fetch it again{_trust(target)}"
            )
        LOG.warning("%s; it is downloaded again", _mismatch(target, expected, found_digest))
    if offline or not source.urls:
        raise DataError(_missing(source, target, offline))
    target.parent.mkdir(parents=True, exist_ok=True)
    _download(source, target, expected, pause)
    return target


def _local(source: Source, local_dir: Path) -> Path | None:
    for path in (local_dir / source.folder / source.name, local_dir / source.name):
        if path.is_file():
            if source.sha256 and (found := _digest(path)).sha256 != source.sha256:
                LOG.warning("%s; it is used all the same", _mismatch(path, _Digest(source.size, source.sha256), found))
            return path
    return None


def _download(source: Source, target: Path, expected: _Digest | None, pause: float) -> None:
    """Try every address; the first file with the right digest gets its name."""
    part = target.with_name(target.name + ".part")
    failures = []
    for url in source.urls:
        resumed = part.exists()
        try:
            _transfer(url, part, expected, pause)
            if resumed and expected and not expected.fits(_digest(part)):  # begun with what another address sent
                part.unlink()
                _transfer(url, part, expected, pause)
        except (_Refused, *BROKEN) as error:
            failures.append(f"{url}: {error}")
            continue
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise DataError(
                f"{part}: the disk is full; what has arrived is kept, so make room and run the same command again"
            ) from error
        found = _digest(part)
        if expected is None or expected.fits(found):
            os.replace(part, target)
            if not source.sha256:
                _record(target, found)
            return
        part.unlink()
        failures.append(f"{url}: {_mismatch(target, expected, found)}")
    raise DataError(
        f"{source.name} could not be downloaded ({'; '.join(failures)}). Run the same command again later, "
        f"or get the file from {source.home} and give its folder as local_dir{_trust(target)}"
    )


def _transfer(url: str, part: Path, expected: _Digest | None, pause: float) -> None:
    """Bring `part` to its full length, in a few tries; raises one of BROKEN or `_Refused`."""
    for attempt in range(ATTEMPTS):
        try:
            return _receive(url, part, expected)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the part is no beginning of this file
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code != 429:
                raise _Refused(str(error)) from error
            failure: Exception = error
        except BROKEN as error:
            failure = error
        if attempt == ATTEMPTS - 1:
            raise failure
        LOG.info("%s: %s; trying again", url, failure)
        time.sleep(pause * 2**attempt)


def _receive(url: str, part: Path, expected: _Digest | None) -> None:
    """One request for what `part` lacks, or for everything where the server does not send ranges."""
    have = part.stat().st_size if part.exists() else 0
    if expected and expected.size and have == expected.size:
        return
    headers = {"User-Agent": "wise-editing"} | ({"Range": f"bytes={have}-"} if have else {})
    with closing(urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)) as response:
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        bar = tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem, disable=None)
        with bar, part.open("ab" if have else "wb") as stream:
            while chunk := response.read(CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))
    if total is not None and (now := part.stat().st_size) < total:
        raise ConnectionError(f"the connection broke off after {now} of {total} bytes")


def _lock(target: Path) -> Path:
    return target.with_name(target.name + ".lock.json")


def _record(target: Path, digest: _Digest) -> None:
    write_json(_lock(target), {"size": digest.size, "sha256": digest.sha256})


def _expected(source: Source, target: Path) -> _Digest | None:
    """What the file must be: as published, or as it was when it first came; None for one never seen."""
    if source.sha256:
        return _Digest(source.size, source.sha256)
    if not _lock(target).exists():
        return None
    try:
        lock = read_json(_lock(target))
        return _Digest(lock["size"], lock["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{_lock(target)}: not a record of a download; delete it to make a new one") from error


def _digest(path: Path) -> _Digest:
    return _Digest(path.stat().st_size, sha256(path))


def _mismatch(path: Path, expected: _Digest, found: _Digest) -> str:
    return f"{path}: expected {expected}, found {found}"


def _trust(target: Path) -> str:
    """How to accept another file than the one that was recorded."""
    return f", or delete {_lock(target).name} to trust the new file" if _lock(target).exists() else ""


def _missing(source: Source, target: Path, offline: bool) -> str:
    why = "downloads are off" if offline else "it has no address of its own"
    run = (
        f"run 'wise data fetch' without --offline where there is a network, with the folder {target.parent.parent}"
        if source.urls
        else f"put it there by hand, from {source.home or 'wherever you have it'}"
    )
    return (
        f"{target}: no such file, and {why}. Either {run}; or give as local_dir a folder that holds "
        f"{source.folder}/{source.name} or {source.name}"
    )
