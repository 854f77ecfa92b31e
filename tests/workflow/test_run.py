"""The DAG end to end at a tiny size: complete, resumable, and no more repeated than a change asks for."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from tests.workflow.conftest import Workspace, job_counts

ALWAYS = {"all", "track"}


@contextmanager
def changed(path: Path) -> Iterator[None]:
    """`path` with one more line inside the block; behind it the file, and its age, are as before."""
    text, times = path.read_bytes(), path.stat()
    path.write_bytes(text + b"\n# changed\n")
    try:
        yield
    finally:
        path.write_bytes(text)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_everything_is_there(finished: Workspace):
    tables = {path.name for path in finished.results.glob("tables/*")}
    figures = {path.name for path in finished.results.glob("figures/*")}
    assert {"main.csv", "main.md", "main.tex", "paired.csv", "perplexity.csv"} <= tables
    assert {f"{name}.csv" for name in ("layer", "shards", "generation", "router", "overhead")} <= tables
    names = ("scores_vs_t", "triangle", "retention", "routing", "layer", "shards", "generation", "router", "overhead")
    assert {f"{name}.{suffix}" for name in names for suffix in ("pdf", "png")} <= figures


def test_main_table_has_its_columns_and_editors(finished: Workspace):
    main = pd.read_csv(finished.results / "tables/main.csv", keep_default_na=False)
    assert ["dataset", "model", "editor", "T", "metric", "mean", "low", "high", "seeds"] == list(main.columns)[:9]
    assert set(main["editor"]) == {"none", "grace", "wise-retrieve"}
    assert set(main["T"]) == {1, 4}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no TeX here")
def test_every_latex_table_compiles(finished: Workspace, tmp_path: Path):
    tables = sorted((finished.results / "tables").glob("*.tex"))
    inputs = "\n".join(rf"\input{{{table}}}\clearpage" for table in tables)
    text = rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{inputs}\end{{document}}"
    (tmp_path / "all.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert tables and done.returncode == 0, done.stdout[-2000:]


def test_tracking_holds_every_run_and_the_report(finished: Workspace):
    summary = json.loads((finished.results / "tracking.json").read_text())
    assert summary["runs"] == 3 + 1 + 1 + 2 + 4  # editors, layers, shard settings, routing variants, radii
    with sqlite3.connect(finished.results / "mlflow.db") as database:
        active = database.execute("select count(*) from runs where lifecycle_stage = 'active'").fetchone()[0]
        studies = database.execute("select distinct value from tags where key = 'study'").fetchall()
    assert active == summary["runs"] + 1
    assert {name for (name,) in studies} == {"main", "layer", "shards", "generation", "grace_radius"}


def test_a_killed_run_resumes_without_repeating_finished_jobs(finished: Workspace):
    assert finished.finished_before_kill
    for path, moment in finished.finished_before_kill.items():
        assert path.stat().st_mtime_ns == moment, f"{path} was made again"
    repeated = job_counts(finished.resumed)
    assert not {"factworld", "pretrain", "knowledge", "contexts", "preedit"} & set(repeated)


def test_the_report_opens_with_what_its_numbers_were_made_of(finished: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESULTS", finished.results.name)
    page = finished.folder / "report.html"
    made = finished.snakemake("--report", page.name, "--report-metadata", "report/landing.yaml")
    assert made.returncode == 0, made.stdout[-4000:]
    [first] = re.findall(r"var metadata = (\{.*?\});", page.read_text(encoding="utf-8"))
    facts = json.loads(first)
    assert facts["Editors"] == 3 and facts["Seeds"] == 1
    assert any(heading.startswith("Runs on model tiny, sha256 ") for heading in facts)


def test_a_second_run_has_nothing_to_do(finished: Workspace):
    assert "Nothing to be done" in finished.snakemake().stdout


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("analysis/triangle.py", {"triangle": 1, "reproduction": 1}),
        ("wise/editors/grace.py", {"edit": 1}),  # one editor; what follows from its edits is checked below
        ("wise/evaluate/metrics.py", {"score": 3, "study_score": 8}),
        ("wise/tracking/store.py", {}),
    ],
)
def test_a_changed_module_repeats_only_what_it_is_part_of(finished: Workspace, module: str, expected: dict[str, int]):
    with changed(finished.folder / module):
        jobs = finished.planned()
    assert ALWAYS <= set(jobs)
    assert {rule: jobs.get(rule) for rule in expected} == expected
    assert not {"pretrain", "preedit", "contexts"} & set(jobs)
    if module == "wise/editors/grace.py":
        assert jobs["study_edit"] == 4, "of the studies only the one of GRACE's radius"
    else:
        assert "edit" not in jobs and "study_edit" not in jobs
    if module == "analysis/triangle.py":
        assert set(jobs) == {"triangle", "reproduction", *ALWAYS}
    if module == "wise/tracking/store.py":
        assert set(jobs) == ALWAYS


def test_a_file_that_is_only_newer_repeats_nothing(finished: Workspace):
    for path in (*finished.folder.glob("wise/**/*.py"), *finished.folder.glob("analysis/*.py")):
        path.touch()
    assert "Nothing to be done" in finished.snakemake("--dry-run").stdout


def test_a_changed_option_repeats_one_editor(finished: Workspace):
    config = finished.folder / "config/other.yaml"
    config.write_text(
        (finished.folder / "config/tiny.yaml")
        .read_text()
        .replace("grace: {steps: 2, radius: 1.0, lr: 1.0}", "grace: {steps: 3, radius: 1.0, lr: 1.0}")
    )
    jobs = finished.planned(config="config/other.yaml")
    assert jobs["edit"] == 1 and jobs["score"] == 1
    assert jobs["study_edit"] == 4, "of the studies only the one of GRACE's radius"
    assert not {"pretrain", "preedit"} & set(jobs)


def test_one_figure_waits_only_for_what_it_needs(copied: Workspace):
    jobs = copied.planned("results-tiny/figures/overhead.pdf")
    assert set(jobs) == {"factworld", "pretrain", "contexts", "measure_overhead", "overhead"}
    assert "edit" not in copied.planned("shards")
