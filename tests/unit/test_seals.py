"""Files that were damaged since a job made them are refused by every later job, by their name."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from wise.cli import main
from wise.errors import DataError
from wise.files import check_seals, seal, write_text


def test_a_sealed_file_is_refused_once_it_has_changed(tmp_path: Path):
    file = tmp_path / "run.json"
    write_text(file, "{}\n")
    check_seals(file)  # of somebody else, who has not sealed it
    seal(file)
    check_seals(file)
    file.write_text("[]\n")
    with pytest.raises(DataError, match="run.json: damaged or changed since it was made"):
        check_seals(file)
    seal(file)
    check_seals(file)
    file.unlink()
    check_seals(file)  # whoever needs it says so


def test_every_file_right_inside_a_folder_is_sealed(tmp_path: Path):
    (tmp_path / "memory").mkdir()
    for name in ("model.safetensors", "config.json", "memory/edits.jsonl"):
        (tmp_path / name).write_bytes(b"abc")
    seal(tmp_path)
    check_seals(tmp_path)
    (tmp_path / "memory/edits.jsonl").write_bytes(b"abd")  # has digests of its own
    check_seals(tmp_path)
    (tmp_path / "config.json").write_bytes(b"abd")
    with pytest.raises(DataError, match="config.json"):
        check_seals(tmp_path)


def test_a_verb_refuses_damaged_input_and_seals_what_it_writes(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    transcript, run = tmp_path / "transcript.parquet", tmp_path / "run.json"
    transcript.write_bytes(b"whole")
    run.write_text("{}")
    seal(transcript)
    transcript.write_bytes(b"whale")
    out = tmp_path / "scores.parquet"
    with caplog.at_level(logging.ERROR):
        assert main(["score", "--transcript", str(transcript), "--run", str(run), "--out", str(out)]) == 2
    assert f"{transcript}: damaged" in caplog.text and not out.exists()
