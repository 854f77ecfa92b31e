"""What each editor cost in the main runs: seconds an edit, extra parameters, memory and time of the questions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.inputs import Inputs, setting
from analysis.output import Table
from analysis.style import editor_style, in_order, settings
from analysis.text import markdown, number

MIB = 2**20
BY = ["dataset", "model", "editor"]
MEDIANS = ("edit_seconds", "iterations", "probe_seconds")
LARGEST = ("extra_parameters", "extra_parameters_ratio", "peak_memory_bytes")
"""Columns of a run that are averaged over seeds by their median, and those of which the largest is given."""


def table(inputs: Inputs) -> Table:
    """A row for each dataset, model and editor; Markdown names the hardware."""
    records = inputs.records()
    rows = by_editor(records)
    return Table(rows, to_markdown(rows, [setting(run, "hardware") for run in records]))


def by_editor(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Columns of `BY`, `MEDIANS`, `LARGEST` and seeds. Raises `DataError` where a record lacks one of them."""
    frame = pd.DataFrame([_row(run) for run in records])
    unknown = [*MEDIANS, "peak_memory_bytes"]  # None where all edits failed, or where the system does not tell
    frame[unknown] = frame[unknown].astype(float)
    groups = frame.groupby(BY, sort=True)
    found = groups[list(MEDIANS)].median().join(groups[list(LARGEST)].max()).assign(seeds=groups["seed"].nunique())
    rank = {name: index for index, name in enumerate(in_order(frame["editor"]))}
    return found.reset_index().sort_values(
        BY, key=lambda column: column.map(rank) if column.name == "editor" else column, ignore_index=True
    )


def to_markdown(rows: pd.DataFrame, hardware: list[dict[str, Any]]) -> str:
    """A table for each dataset and model."""
    machines = sorted({", ".join(f"{key} {value}" for key, value in machine.items()) for machine in hardware})
    parts = [
        "Seconds an edit: mean over the edits of a run, at every T together, without those that failed. Probe time: "
        "asking all questions of a run. Both are medians over seeds; parameters and peak memory (of the process, on a "
        f"GPU of its tensors) are the largest. Measured on: {'; '.join(machines)}.\n"
    ]
    header = ["Editor", "Seconds an edit", "Iterations", "Extra parameters", "of the model", "Peak memory, MiB",
              "Probe time, s", "Seeds"]  # fmt: skip
    for title, group in settings(rows):
        lines = [
            [
                editor_style(row["editor"]).label, number(row["edit_seconds"], 3), number(row["iterations"], 1),
                f"{row['extra_parameters']:,}", f"{number(100 * row['extra_parameters_ratio'])}%",
                number(row["peak_memory_bytes"] / MIB, 0), number(row["probe_seconds"], 1), str(row["seeds"]),
            ]
            for row in group.to_dict("records")
        ]  # fmt: skip
        parts += [f"## {title}\n", markdown(header, lines)]
    return "\n".join(parts)


def _row(run: dict[str, Any]) -> dict[str, Any]:
    """One run."""
    seconds = [edit["seconds"] for edit in setting(run, "curve") if not edit.get("failed")]
    return {
        **{key: setting(run, key) for key in (*BY, "seed")},
        "edit_seconds": np.mean(seconds) if seconds else np.nan,
        "iterations": setting(run, "cost.iterations_mean"),
        "probe_seconds": setting(run, "cost.probe_seconds_total"),
        "extra_parameters": setting(run, "cost.extra_parameters"),
        "extra_parameters_ratio": setting(run, "cost.extra_parameters_ratio"),
        "peak_memory_bytes": setting(run, "cost.peak_memory_bytes"),
    }
