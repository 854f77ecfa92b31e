"""The first page of the report, from run records of the runs that the main table has."""

from __future__ import annotations

from pathlib import Path

import pytest
import yte

from analysis.landing import landing_page
from wise.errors import DataError
from wise.files import write_json

TEMPLATE = Path(__file__).resolve().parents[2] / "report/landing.yaml"


def write_run(results: Path, editor: str, seed: int, model_sha256: str = "b" * 64) -> None:
    record = {
        "dataset": "factworld-qa",
        "dataset_sha256": "a" * 64,
        "model": "factlm",
        "model_sha256": model_sha256,
        "editor": editor,
        "seed": seed,
        "grid": {"1": 20, "10": 4},
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "hardware": {"cpu": "Abacus", "cores": 2, "threads": 1, "device": "cpu"},
        "cost": {"edit_seconds_total": 90.0, "probe_seconds_total": 30.0},
    }
    write_json(results / f"edit/factworld-qa/factlm/{editor}/seed{seed}/run.json", record)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "tables").mkdir()
    cells = [f"factworld-qa,factlm,{editor},1,rel,0.5\n" for editor in ("none", "grace", "grace")]
    (tmp_path / "tables/main.csv").write_text("dataset,model,editor,T,metric,mean\n" + "".join(cells))
    for editor in ("none", "grace", "rome"):  # rome is of an older run: it is not in the table
        for seed in (0, 1):
            write_run(tmp_path, editor, seed)
    return tmp_path


def test_it_says_what_the_numbers_were_made_of(results: Path):
    page = landing_page(results)
    assert page.popitem()[0].startswith("Runs summed up by this report, made by ")
    assert page == {
        "Editors": 2,
        "Seeds": 2,
        "Largest number of edits that a model carried (T)": 10,
        "Runs on edits factworld-qa, sha256 aaaaaaaaaaaa": 4,
        "Runs on model factlm, sha256 bbbbbbbbbbbb": 4,
        "Runs on Abacus, 2 cores, 1 thread a job, device cpu": 4,
        "Runs with python 3.11.7, torch 2.13.0": 4,
        "Minutes of editing and asking, summed over the runs": 8.0,
    }


def test_runs_on_different_models_of_one_name_show(results: Path):
    write_run(results, "grace", 1, model_sha256="c" * 64)
    page = landing_page(results)
    assert page["Runs on model factlm, sha256 bbbbbbbbbbbb"] == 3
    assert page["Runs on model factlm, sha256 cccccccccccc"] == 1


def test_the_template_gives_what_snakemake_takes(results: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESULTS", str(results))
    page = yte.process_yaml(TEMPLATE.read_text(encoding="utf-8"))
    assert list(page) == list(landing_page())
    assert all(isinstance(fact, int | float) for fact in page.values())


def test_a_folder_without_results_is_refused(tmp_path: Path, results: Path):
    with pytest.raises(DataError, match=r"tables/main.csv: no such table"):
        landing_page(tmp_path / "nothing")
    (results / "tables/main.csv").write_text("dataset,model,editor,T,metric,mean\n")
    with pytest.raises(DataError, match="holds no run record"):
        landing_page(results)
