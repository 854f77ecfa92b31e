"""The transcript: everything that a model said, one row a question; all else is computed from it.

A row is one question asked after the first `T` edits of one chunk of the stream. Files are Parquet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from wise.errors import DataError, unknown
from wise.files import atomic_path
from wise.parquet import read_table
from wise.records import EDIT_KIND, PROBE_KINDS

SCHEMA = pa.schema(
    [
        ("T", pa.int32()),  # edits in the chunk when the question was asked
        ("chunk", pa.int32()),  # which chunk of T edits of the stream
        ("edit", pa.int32()),  # position of the edit in the stream, from 0
        ("age", pa.int32()),  # edits made after this one when it was asked about, 0 .. T-1
        ("record", pa.string()),  # EditRecord.id
        ("kind", pa.string()),  # "edit" or one of records.PROBE_KINDS
        ("name", pa.string()),  # sub-kind of the probe
        ("probe", pa.int32()),  # index among the record's probes, -1 for the edit itself
        ("target", pa.string()),
        ("target_tokens", pa.list_(pa.int32())),
        ("predicted_tokens", pa.list_(pa.int32())),  # argmax, teacher forced on the target
        ("nll", pa.list_(pa.float32())),  # nats per target token
        ("before_tokens", pa.list_(pa.int32())),  # argmax of the unedited model
        ("before_nll", pa.list_(pa.float32())),
        ("base_accuracy", pa.float32()),  # share of such questions that the unedited model answers; null: not known
        ("generated", pa.string()),  # greedy free answer up to its natural stop; null when not asked
        ("ending", pa.string()),  # what follows the target in the free answer; null where it begins with something else
        ("ending_nll", pa.list_(pa.float32())),  # nats per token of it, its end token included, by the unedited model
        ("ending_stopped", pa.bool_()),  # whether it came to an end token
        ("before_ending", pa.string()),  # the same three of the unedited model, which was given the target
        ("before_ending_nll", pa.list_(pa.float32())),
        ("before_ending_stopped", pa.bool_()),
        ("longer", pa.string()),  # text behind the edit prompt, past its end tokens; null when not asked
        ("score", pa.float32()),  # routing score; null for editors that do not route
        ("threshold", pa.float32()),  # what the score was compared with
        ("choice", pa.string()),  # which memory answered: "main", "side 1", ...
        ("holder", pa.string()),  # which memory holds the edit; null for editors that do not route
        ("oracle_tokens", pa.list_(pa.int32())),  # argmax with that memory; null when no oracle was asked
    ]
)


FILLED = ("T", "chunk", "edit", "age", "record", "kind", "name", "probe", "target", "target_tokens", "predicted_tokens")
"""Columns in which every row has something."""


def write_transcript(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows (dicts with the keys of `SCHEMA`) to Parquet, atomically."""
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), temporary, compression="zstd")


def read_transcript(path: str | Path) -> pd.DataFrame:
    """Read a transcript; raises `DataError` for a file that is no Parquet or has other columns, which it names."""
    table = read_table(path)
    if table.schema.names != SCHEMA.names:
        missing = sorted(set(SCHEMA.names) - set(table.schema.names))
        extra = sorted(set(table.schema.names) - set(SCHEMA.names))
        raise DataError(f"{path}: not a transcript; missing columns {missing}, unknown columns {extra}")
    wrong = [field.name for field in SCHEMA if table.schema.field(field.name).type != field.type]
    if wrong:
        raise DataError(f"{path}: not a transcript; columns of another type: {', '.join(wrong)}")
    empty = [name for name in FILLED if table.column(name).null_count]
    if empty:
        raise DataError(f"{path}: not a transcript; columns with nothing in some rows: {', '.join(empty)}")
    kinds = table.column("kind").unique().to_pylist()
    for kind in kinds:
        if kind not in (EDIT_KIND, *PROBE_KINDS):
            raise DataError(f"{path}: column 'kind': {unknown('kind', kind, (EDIT_KIND, *PROBE_KINDS))}")
    return table.to_pandas(use_threads=False)
