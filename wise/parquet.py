"""Reading Parquet files, from anywhere, in the thread that asks.

A job has one core, and where memory is short no thread can be started: pyarrow's own readers then wait for theirs for
ever, in place of an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from wise.documents import refuse_archive, require_file
from wise.errors import DataError, refusing

LARGEST = 2**32
"""Bytes and rows that a file may hold when it is read."""


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a file, with all columns or some of them.

    Raises `DataError` for a file that is none, and for one that claims to hold more than `LARGEST`.
    """
    require_file(Path(path), "Parquet file")
    refuse_archive(path)
    with refusing(f"{path}: not a readable Parquet file", DataError):
        with pq.ParquetFile(path, pre_buffer=False) as file:
            groups = range(file.metadata.num_row_groups)
            size = sum(file.metadata.row_group(index).total_byte_size for index in groups)
            if max(size, file.metadata.num_rows) > LARGEST:
                raise DataError(
                    f"{path}: claims {file.metadata.num_rows} rows of {size} bytes, at most {LARGEST} are read"
                )
            table = file.read(columns=None if columns is None else list(columns), use_threads=False)
        return table if columns is None else table.select(list(columns))


def read_frame(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The same as a frame of pandas."""
    return read_table(path, columns).to_pandas(use_threads=False)
