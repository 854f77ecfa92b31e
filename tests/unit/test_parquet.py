"""Parquet files are read as pandas reads them, without another thread."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from wise.evaluate.transcript import write_transcript
from wise.parquet import read_frame, read_table

CODE = """
import os, sys, resource
import wise.parquet
before = len(os.listdir("/proc/self/task"))
frame = wise.parquet.read_frame(sys.argv[1])
sys.exit(0 if len(frame) == 1000 and len(os.listdir("/proc/self/task")) == before else 1)
"""


def frame() -> pd.DataFrame:
    """Columns of every kind that scores and transcripts have."""
    texts = [f"record {index}" for index in range(1000)]
    return pd.DataFrame(
        {"record": texts, "T": range(1000), "value": [index / 7 for index in range(1000)], "flag": True}
    )


def test_files_are_read_as_pandas_reads_them(tmp_path: Path):
    frame().to_parquet(path := tmp_path / "scores.parquet", index=False, compression="zstd")
    pd.testing.assert_frame_equal(read_frame(path), pd.read_parquet(path))
    assert read_frame(path, ["value", "record"]).columns.tolist() == ["value", "record"]
    write_transcript(path, [{"T": 1, "record": "a", "target_tokens": [1, 2], "generated": None}])
    assert read_table(path).to_pylist()[0]["target_tokens"] == [1, 2]
    pd.testing.assert_frame_equal(read_frame(path), pd.read_parquet(path))


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not list the threads of a process")
def test_no_thread_is_started(tmp_path: Path):
    frame().to_parquet(path := tmp_path / "scores.parquet", index=False)
    assert subprocess.run([sys.executable, "-c", CODE, path]).returncode == 0
