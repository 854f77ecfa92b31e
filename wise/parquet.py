"""Reading Parquet files in the thread that asks.

A job has one core, and where memory is short no thread can be started: pyarrow's own readers then wait for theirs for
ever, in place of an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a file, with all columns or some of them; an error of pyarrow for a file that is none."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        table = file.read(columns=None if columns is None else list(columns), use_threads=False)
    return table if columns is None else table.select(list(columns))


def read_frame(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The same as a frame of pandas."""
    return read_table(path, columns).to_pandas(use_threads=False)
