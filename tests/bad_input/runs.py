"""Kinds of input that runs leave behind: transcripts, scores, golden runs."""

from __future__ import annotations

import json
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.bad_input import damage, sound
from tests.bad_input.damage import Damage, Draw, by_suffix
from tests.bad_input.lab import Files, Kind
from wise.commands.score import RUN_COLUMNS
from wise.documents import read_object
from wise.evaluate.scores import score_transcript
from wise.evaluate.transcript import read_transcript
from wise.parity.check import check_folder
from wise.parity.golden import SHIPPED
from wise.tracking.summary import summarize


def runs() -> Files:
    """A transcript with its run record."""
    return {name: sound.transcript()[name] for name in ("transcript.parquet", "run.json")}


def damaged_run(draw: Draw, files: Files) -> tuple[str, Damage]:
    """Columns, rows or bytes of the table, or the record."""
    file = draw(st.sampled_from(["transcript.parquet", "transcript.parquet", "run.json"]))
    way = draw(st.sampled_from(["drop", "null", "kind", "type", "tokens", "rename", "bytes"]))
    if file == "run.json":
        return file, by_suffix(draw, file, files[file])
    if way == "bytes":
        return file, damage.in_bytes(draw, files[file])
    table = pq.read_table(pa.BufferReader(files[file]))
    name = "kind" if way == "kind" else draw(st.sampled_from(table.schema.names))
    rows, at = table.to_pylist(), draw(st.integers(0, table.num_rows - 1))
    if way in ("drop", "rename", "type"):
        index = table.schema.names.index(name)
        table = table.remove_column(index)
        if way != "drop":
            column = pa.array([str(row[name]) if way == "type" else row[name] for row in rows])
            table = table.add_column(index, name if way == "type" else f"{name}x", column)
        made = table
    else:
        values: dict[str, Any] = {"null": None, "kind": "nobody's", "tokens": [1, 2, 3, 4, 5, 6, 7]}
        name = draw(st.sampled_from(["target_tokens", "predicted_tokens", "nll"])) if way == "tokens" else name
        rows[at][name] = values[way]
        made = pa.Table.from_pylist(rows, schema=table.schema)
    sink = pa.BufferOutputStream()
    pq.write_table(made, sink)
    return file, Damage(sink.getvalue().to_pybytes(), f"{way} {name}", way == "kind")


def read_run(given: Path) -> None:
    """The rows are those of the table, and they can be scored."""
    rows, run = read_transcript(given / "transcript.parquet"), read_object(given / "run.json", RUN_COLUMNS)
    assert rows.equals(pq.read_table(given / "transcript.parquet").to_pandas()), "the rows are others"
    if all(isinstance(run[key], str | int) for key in RUN_COLUMNS):
        score_transcript(rows, run)


def scoring(given: Path, out: Path) -> list[list[str]]:
    """The verb that reads a run."""
    told = ["--transcript", str(given / "transcript.parquet"), "--run", str(given / "run.json")]
    return [["score", *told, "--out", str(out / "s.parquet")]]


@cache
def scored_run() -> Files:
    """A run record with its scores."""
    return {"run.json": sound.transcript()["run.json"], "scores.parquet": sound.scores()}


def damaged_scores(draw: Draw, files: Files) -> tuple[str, Damage]:
    """The record, or the bytes of the scores."""
    file = draw(st.sampled_from(sorted(files)))
    return file, by_suffix(draw, file, files[file])


def read_scored(given: Path) -> None:
    """What MLflow would be told is of the run, and finite."""
    found = summarize(given / "run.json", given / "scores.parquet")
    run = json.loads((given / "run.json").read_text())
    assert found.params["editor"] == run["editor"] and found.metrics, "another run"
    assert all(isfinite(value) for _, value, _ in found.metrics), "numbers that are not finite"


def tracking(given: Path, out: Path) -> list[list[str]]:
    """The verb that tells MLflow of a run."""
    told = ["--runs", str(given / "run.json"), "--scores", str(given / "scores.parquet")]
    place = ["--uri", f"sqlite:///{out}/mlflow.db", "--artifacts", str(out / "kept"), "--out", str(out / "t.json")]
    return [["track", *told, *place]]


def golden() -> Files:
    """One of the project's golden runs with its model, without the digests that would tell of any change."""
    run = {f"run/{name}": content for name, content in sound.contents(SHIPPED / "retrieve").items()}
    return run | {f"model/{name}": content for name, content in sound.contents(SHIPPED / "model").items()}


def damaged_golden(draw: Draw, files: Files) -> tuple[str, Damage]:
    """Any of its files."""
    file = draw(st.sampled_from(sorted(files)))
    return file, by_suffix(draw, file, files[file])


def read_golden(given: Path) -> None:
    """It is replayed; whether the numbers are the same is what the verb is there to say."""
    check_folder(str(given / "run"))


KINDS = [
    Kind("transcripts", runs, damaged_run, read_run, scoring, ("run record", "transcript")),
    Kind("scores", scored_run, damaged_scores, read_scored, names=("run record",), busy=tracking),
    Kind("golden runs", golden, damaged_golden, read_golden, lambda given, out: [["parity", str(given / "run")]],
         ("/in/run",)),
]  # fmt: skip
