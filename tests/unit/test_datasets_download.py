"""Raw files arrive whole or not at all: broken transfers, wrong bytes, full disks, no network."""

from __future__ import annotations

import errno
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest

from wise.datasets.published.download import fetch
from wise.datasets.published.raw_files import Source
from wise.datasets.registry import DATASETS
from wise.errors import DataError

BODY = bytes(range(256)) * 2000
SHA = hashlib.sha256(BODY).hexdigest()


@dataclass
class Home:
    """What the server does, and the Range header of every request that it had."""

    url: str = ""
    body: bytes = BODY
    ranges: bool = True
    cut: int = 0
    """Requests that are broken off half-way."""
    status: int = 0
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def home(monkeypatch) -> Iterator[Home]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Home()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers["Range"]
            state.asked.append(asked)
            if state.status:
                return self.send_error(state.status)
            start = int(asked[6:-1]) if asked and state.ranges else 0
            if start >= len(state.body):
                return self.send_error(416)
            rest = state.body[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            if state.cut:
                state.cut -= 1
                rest = rest[: len(rest) // 2]
            self.wfile.write(rest)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/file.json"
    yield state
    server.shutdown()
    server.server_close()


def source(*urls: str, sha: str = SHA, size: int = len(BODY)) -> Source:
    return Source("file.json", "some", urls, size if sha else 0, sha, home="https://example.org/page")


def part_of(folder: Path) -> Path:
    return folder / "some" / "file.json.part"


def test_a_download_is_kept_and_not_repeated(home, tmp_path):
    path = fetch(source(home.url), tmp_path)
    assert path == tmp_path / "some" / "file.json" and path.read_bytes() == BODY
    assert not part_of(tmp_path).exists()
    assert fetch(source(home.url), tmp_path, offline=True) == path and len(home.asked) == 1


def test_a_broken_transfer_goes_on_where_it_stopped(home, tmp_path):
    home.cut = 2
    assert fetch(source(home.url), tmp_path, pause=0).read_bytes() == BODY
    half, quarter = len(BODY) // 2, len(BODY) // 4
    assert home.asked == [None, f"bytes={half}-", f"bytes={half + quarter}-"]


def test_a_server_without_ranges_begins_anew(home, tmp_path):
    home.cut, home.ranges = 1, False
    assert fetch(source(home.url), tmp_path, pause=0).read_bytes() == BODY
    assert home.asked == [None, f"bytes={len(BODY) // 2}-"]


def test_what_has_arrived_is_kept_when_all_tries_fail(home, tmp_path):
    home.cut = 10
    with pytest.raises(DataError, match=r"broke off after \d+ of 512000 bytes.*example.org/page.*local_dir"):
        fetch(source(home.url), tmp_path, pause=0)
    assert len(home.asked) == 4 and part_of(tmp_path).stat().st_size > len(BODY) // 2
    home.cut = 0
    assert fetch(source(home.url), tmp_path).read_bytes() == BODY and home.asked[-1] != "bytes=0-"


@pytest.mark.parametrize("junk", [b"junk", b"j" * (len(BODY) + 5)])
def test_a_part_of_another_file_does_no_harm(home, tmp_path, junk):
    part_of(tmp_path).parent.mkdir()
    part_of(tmp_path).write_bytes(junk)
    assert fetch(source(home.url), tmp_path, pause=0).read_bytes() == BODY


def test_wrong_bytes_are_refused_with_both_digests(home, tmp_path):
    home.body = BODY[:-1] + b"x"
    found = hashlib.sha256(home.body).hexdigest()
    with pytest.raises(DataError, match=f"file.json: expected 512000 bytes with sha256 {SHA}, found 512000 .*{found}"):
        fetch(source(home.url), tmp_path, pause=0)
    assert list((tmp_path / "some").iterdir()) == []


def test_a_damaged_file_is_downloaded_again_unless_offline(home, tmp_path):
    path = fetch(source(home.url), tmp_path)
    path.write_bytes(b"damaged")
    with pytest.raises(DataError, match="expected 512000 bytes .*found 7 bytes .*Delete it and fetch it again$"):
        fetch(source(home.url), tmp_path, offline=True)
    assert fetch(source(home.url), tmp_path).read_bytes() == BODY


def test_the_next_address_serves_where_one_has_no_file(home, tmp_path):
    missing = home.url.replace("file.json", "nothing")
    assert fetch(source("http://127.0.0.1:9/file.json", home.url), tmp_path, pause=0).read_bytes() == BODY
    home.status = 404
    with pytest.raises(DataError, match="404"):
        fetch(source(missing), tmp_path / "other")
    assert len(home.asked) == 2, "a file that is not there is asked for once"


def test_without_a_known_digest_the_first_download_counts(home, tmp_path):
    path = fetch(source(home.url, sha=""), tmp_path)
    path.unlink()
    home.body = BODY + b"changed"
    with pytest.raises(DataError, match=rf"expected 512000 bytes with sha256 {SHA}.*file.json.lock.json"):
        fetch(source(home.url, sha=""), tmp_path, pause=0)
    (tmp_path / "some" / "file.json.lock.json").unlink()
    assert fetch(source(home.url, sha=""), tmp_path).read_bytes() == home.body


@pytest.mark.parametrize("place", ["some/file.json", "file.json"])
def test_a_local_folder_goes_first(home, tmp_path, place, caplog):
    local = tmp_path / "mine" / place
    local.parent.mkdir(parents=True)
    local.write_bytes(b"mine")
    assert fetch(source(home.url), tmp_path / "out", tmp_path / "mine") == local
    assert home.asked == [] and "found 4 bytes" in caplog.text


def test_offline_names_the_file_and_both_ways_to_it(home, tmp_path):
    message = r"some/file.json: no such file.*'wise data fetch'.*local_dir.*some/file.json or file.json"
    with pytest.raises(DataError, match=message):
        fetch(source(home.url), tmp_path, tmp_path / "nowhere", offline=True)
    assert home.asked == []


def test_a_digest_without_a_size_is_checked_as_well(home, tmp_path):
    fetched = fetch(source(home.url, size=0), tmp_path)
    assert fetched.read_bytes() == BODY and not list(tmp_path.rglob("*.lock.json"))
    assert fetch(source(home.url, size=0), tmp_path, offline=True) == fetched
    fetched.unlink()
    home.body = BODY[:-1] + b"x"
    with pytest.raises(DataError, match=f"expected a file with sha256 {SHA}"):
        fetch(source(home.url, size=0), tmp_path, pause=0)


def test_a_file_without_address_says_where_people_get_it(tmp_path):
    with pytest.raises(DataError, match="no address.*put it there by hand, from https://example.org/page.*local_dir"):
        fetch(source(), tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_says_so_and_keeps_the_part(home, tmp_path):
    part_of(tmp_path).parent.mkdir()
    part_of(tmp_path).symlink_to("/dev/full")
    with pytest.raises(DataError, match="disk is full.*kept") as raised:
        fetch(source(home.url), tmp_path)
    assert raised.value.__cause__.errno == errno.ENOSPC and part_of(tmp_path).exists()


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    """All raw files of all published datasets by name, which no two share."""
    everything = {}
    for place in (line.place for line in DATASETS.values() if line.raw and ":" in line.place):
        module, attribute = place.split(":")
        dataset = getattr(import_module(module), attribute)
        for name, (source, _) in dataset.files().items() if hasattr(dataset, "files") else ():
            assert everything.setdefault(name, source) == source
    assert len(everything) == 20
    return everything


def test_sources_are_complete(sources):
    for name, entry in sources.items():
        assert entry.name == name and entry.home.startswith("https://") and entry.licence
        assert all(url.startswith("https://") and url.endswith(f"/{name}") for url in entry.urls)
        assert re.fullmatch(r"([0-9a-f]{64})?", entry.sha256) and (entry.sha256 or not entry.size)
        assert entry.size or entry.folder == "knowedit"


def test_published_files_have_the_recorded_digests(sources, real_data, caplog):
    found = [entry for entry in sources.values() if (real_data / entry.folder / entry.name).exists()]
    assert found, "the folder holds none of the raw files"
    for entry in found:
        fetch(entry, "unused", real_data, offline=True)
    assert caplog.text == ""
