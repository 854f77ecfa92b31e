"""The first page of the report: what its numbers were made of, read from the run records of the main comparison."""

from __future__ import annotations

import csv
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wise.errors import DataError
from wise.files import read_json

DIGITS = 12
"""How much of a digest is shown."""


def landing_page(results: str | Path | None = None) -> dict[str, int | float]:
    """Facts for `snakemake --report-metadata report/landing.yaml`: numbers below headings that say what they count.

    Numbers, because Snakemake 9.27 does not show texts as they are: it lists all parts of their rendered form.

    `results` is the folder of a finished run, by default what the environment variable RESULTS names, else
    "results". Raises `DataError` where the folder has no main table or no run record that belongs to it.
    """
    folder = Path(results or os.environ.get("RESULTS") or "results")
    runs = list(_runs(folder))
    if not runs:
        raise DataError(f"{folder}/edit: holds no run record of the editors in {folder}/tables/main.csv")
    seconds = sum(run["cost"]["edit_seconds_total"] + run["cost"]["probe_seconds_total"] for run in runs)
    return {
        "Editors": len({run["editor"] for run in runs}),
        "Seeds": len({run["seed"] for run in runs}),
        "Largest number of edits that a model carried (T)": max(int(T) for run in runs for T in run["grid"]),
        **Counter(f"Runs on edits {run['dataset']}, sha256 {run['dataset_sha256'][:DIGITS]}" for run in runs),
        **Counter(f"Runs on model {run['model']}, sha256 {run['model_sha256'][:DIGITS]}" for run in runs),
        **Counter(f"Runs on {_machine(run['hardware'])}" for run in runs),
        **Counter(
            f"Runs with {', '.join(f'{name} {number}' for name, number in run['versions'].items())}" for run in runs
        ),
        "Minutes of editing and asking, summed over the runs": round(seconds / 60, 1),
        f"Runs summed up by this report, made by {commit()}": len(runs),
    }


def _runs(results: Path) -> Iterator[dict[str, Any]]:
    """The records of all runs whose editor is in the main table, in the table's order."""
    table = results / "tables/main.csv"
    if not table.exists():
        raise DataError(f"{table}: no such table; a finished run of the workflow writes it")
    with table.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        places = dict.fromkeys((row["dataset"], row["model"], row["editor"]) for row in rows)
    for place in places:
        for path in sorted(results.joinpath("edit", *place).glob("seed*/run.json")):
            yield read_json(path)


def _machine(hardware: dict[str, Any]) -> str:
    threads = "1 thread" if hardware["threads"] == 1 else f"{hardware['threads']} threads"
    return f"{hardware['cpu']}, {hardware['cores']} cores, {threads} a job, device {hardware['device']}"


def commit() -> str:
    """Commit of the folder that the report is made in, and whether files were changed since."""
    try:
        asked = ["git", "describe", "--always", "--dirty= with changes", f"--abbrev={DIGITS}", "--exclude=*"]
        return f"commit {subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()}"
    except (OSError, subprocess.CalledProcessError):
        return "an unknown commit (no git checkout)"
