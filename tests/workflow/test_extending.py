"""The worked examples of docs/extending: each by exactly the files and lines that its guide promises, then one run.

In a copy of the project an editor, a dataset, a metric, a study, a figure and a model family are added from the files
of tests/extending, which the guides show. The run makes what they are seen in, and, of the thorough tests, the rest.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.thorough import thorough
from tests.workflow.conftest import Workspace, copy_project

EXAMPLES = Path(__file__).parents[1] / "extending"

MODULES = {
    "editor/sgd.py": "wise/editors/sgd.py",
    "dataset/capitals.py": "wise/datasets/capitals.py",
    "figure/steps_taken.py": "analysis/steps_taken.py",
}
LINES = {  # the file that the example goes into, and the text in front of which it goes
    "editor/entry.txt": ("wise/editors/entries.py", '    "ft-m": Entry('),
    "dataset/entry.txt": ("wise/datasets/registry.py", '    "zsre": _published('),
    "metric/metric.txt": ("wise/evaluate/answer_metrics.py", '@measured("paraphrase", "Gen exact"'),
    "study/entry.txt": ("wise/config/studies.py", '    Study(\n        "shards",'),
    "figure/entry.txt": ("analysis/artifacts.py", "    *map(_of, STUDIES.values()),"),
    "family/entry.txt": ("wise/lm/families.py", '    "mistral": LLAMA,'),
}
CONFIG = """
results: results-extended
seeds: [0]
{dataset}
data:
  factworld: {{seed: 0, people: 20, cities: 14, countries: 6, organisations: 8, works: 8, ships: 8, invented: 4}}
models:
  tiny:
    layer: 1
    pretrain:
      {{hidden: 32, intermediate: 64, layers: 2, heads: 2, epochs: 1, curriculum_epochs: 0,
       length: 250, tokenizer: bpe, vocabulary: 600}}
contexts: {{count: 2, length: 4}}
evaluation: {{edits: 3, grid: {{"1": 1, "3": 1}}, generate: false}}
editors:
  none: {{}}
  wise-retrieve: {{steps: 2, context_prefixes: 1}}
{editor}
ablations:
  include: [steps]
  steps: {{editor: sgd, steps: [1, 2], edits: 2, grid: {{"2": 1}}}}
tracking: {{experiment: extended}}
"""


def read(example: str) -> str:
    """A file of the worked examples."""
    return (EXAMPLES / example).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def extended(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy with all six examples, in which the whole workflow was run."""
    workspace = copy_project(project, tmp_path_factory.mktemp("extended"))
    for example, target in MODULES.items():
        assert not (workspace.folder / target).exists()
        (workspace.folder / target).write_text(read(example), encoding="utf-8")
    for example, (target, before) in LINES.items():
        path = workspace.folder / target
        text = path.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{target}: {before}"
        end = "\n\n\n" if example.startswith("metric") else ""
        path.write_text(text.replace(before, read(example) + end + before), encoding="utf-8")
    config = CONFIG.format(dataset=read("dataset/config.yaml"), editor=read("editor/config.yaml").rstrip())
    (workspace.folder / "config/extended.yaml").write_text(config, encoding="utf-8")
    run = workspace.snakemake("--", "main_table", "steps", "steps_taken", config="config/extended.yaml")
    assert run.returncode == 0, run.stdout[-4000:]
    return Workspace(workspace.folder, workspace.folder / "results-extended")


def test_one_line_registers_an_editor_a_dataset_and_a_family():
    for example in ("editor/entry.txt", "editor/config.yaml", "dataset/entry.txt", "family/entry.txt"):
        assert len(read(example).strip().splitlines()) == 1, example


def test_the_new_editor_and_metric_are_in_the_main_table(extended: Workspace):
    main = pd.read_csv(extended.results / "tables/main.csv", keep_default_na=False)
    assert list(dict.fromkeys(main["editor"])) == ["none", "sgd", "wise-retrieve"], "in the order of the table"
    assert set(main["dataset"]) == {"capitals"}
    metrics = list(dict.fromkeys(main["metric"]))
    assert metrics[metrics.index("rel_exact") + 1] == "rel_first"
    text = (extended.results / "tables/main.md").read_text()
    assert "| SGD |" in text and "| Rel first |" in text.replace(" Gen exact |", "")


def test_the_new_study_and_figure_are_there(extended: Workspace):
    steps = pd.read_csv(extended.results / "tables/steps.csv")
    assert list(steps["variant"]) == ["as configured", "steps 2"] and set(steps["editor"]) == {"sgd"}
    taken = pd.read_csv(extended.results / "tables/steps_taken.csv")
    assert {"sgd", "wise-retrieve"} <= set(taken["editor"])
    for name in ("steps", "steps_taken"):
        assert (extended.results / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")


@thorough
def test_mlflow_has_the_runs_and_the_metric(extended: Workspace):
    run = extended.snakemake(config="config/extended.yaml")
    assert run.returncode == 0, run.stdout[-4000:]
    assert json.loads((extended.results / "tracking.json").read_text())["runs"] == 3 + 2
    with sqlite3.connect(extended.results / "mlflow.db") as database:
        studies = database.execute("select value, count(*) from tags where key = 'study' group by value").fetchall()
        metrics = {name for (name,) in database.execute("select distinct key from metrics")}
    assert dict(studies) == {"main": 3, "steps": 2}
    assert "rel_first" in metrics


def test_a_model_of_the_new_family_is_edited(extended: Workspace):
    code = """
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
import wise
shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
tokenizer = AutoTokenizer.from_pretrained("results-extended/models/tiny")
config = AutoConfig.for_model("seed_oss", vocab_size=len(tokenizer), num_key_value_heads=2, **shape)
edited = wise.attach((AutoModelForCausalLM.from_config(config), tokenizer), "sgd", layer=1)
print(edited.edit("The capital of Norland is", "Port Hill").iterations)
"""
    environment = {**os.environ, "PYTHONPATH": str(extended.folder)}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=extended.folder, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr[-3000:]
    assert int(run.stdout.split()[-1]) > 0
