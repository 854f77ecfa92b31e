"""The workflow on a file of edits of one's own and a model in a folder, as a newcomer sets it up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from transformers import AutoConfig, AutoModelForCausalLM

from tests.models import LLAMA_SHAPE
from tests.thorough import thorough
from tests.workflow.conftest import Workspace, copy_project
from wise.pretraining.tokenizer import train_bpe

EDITORS = {"none": {}, "grace": {"steps": 3}, "rome": {}, "wise-retrieve": {"steps": 3, "context_prefixes": 1}}
CONFIG = {
    "results": "results-mine",
    "seeds": [0],
    "datasets": ["mine"],
    "data": {"mine": {"edits": "my-edits.jsonl"}},
    "models": {"mine": {"source": "hub", "path": "my-model", "layer": 2}},
    "contexts": {"count": 1, "length": 4},
    "editors": EDITORS,
}
ARTIFACTS = [f"results-mine/{name}" for name in ("tables/main.md", "tables/main.csv", "figures/triangle.png")]


@pytest.fixture(scope="module")
def mine(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the project with a random model, the file of edits that the documentation shows, and five lines."""
    workspace = copy_project(project, tmp_path_factory.mktemp("mine"))
    edits = project / "docs/examples/edits.jsonl"
    shutil.copy(edits, workspace.folder / "my-edits.jsonl")
    tokenizer = train_bpe(edits.read_text(encoding="utf-8").splitlines() * 3, 400)
    shape = LLAMA_SHAPE | {"max_position_embeddings": 128, "vocab_size": len(tokenizer)}
    special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **shape | special))
    for part in (model, tokenizer):
        part.save_pretrained(workspace.folder / "my-model")
    (workspace.folder / "config/mine.yaml").write_text(yaml.safe_dump(CONFIG))
    return workspace


@pytest.mark.parametrize("targets", [ARTIFACTS, pytest.param([], marks=thorough, id="everything")])
def test_a_file_of_ones_own_goes_through_the_workflow(mine: Workspace, targets: list[str]):
    run = mine.snakemake("--keep-going", "--", *targets, config="config/mine.yaml")
    assert run.returncode == 0, run.stdout[-4000:]
    results = mine.folder / "results-mine"
    described = json.loads((results / "data/mine/dataset.json").read_text())
    assert [described["counts"][file] for file in ("edits", "development", "train")] == [7, 1, 2]
    scores = pd.read_csv(results / "tables/main.csv", keep_default_na=False)
    assert set(scores["editor"]) == set(EDITORS) and set(scores["T"]) == {1, 7}
    assert {"rel", "ppl", "gen", "loc_far", "port"} <= set(scores["metric"]) and "ood" not in set(scores["metric"])
    assert "subject 'Port Hill'" not in (log := (results / "logs/edit/mine/mine/rome/seed0.log").read_text())
    assert "the longest name in the prompt" in log
    assert "the model writes" in (results / "logs/edit/mine/mine/wise-retrieve/seed0.log").read_text()
    assert all((mine.folder / path).stat().st_size for path in ARTIFACTS)

    edits = mine.folder / "my-edits.jsonl"
    text = edits.read_text(encoding="utf-8")
    edits.write_text(text.replace('"seven"', '"eight"'), encoding="utf-8")
    assert mine.planned(config="config/mine.yaml")["edit"] == len(EDITORS)
    edits.write_text(text.replace('"target": "seven"', '"targt": "seven"').replace('"1874"', "1874"), encoding="utf-8")
    refused = mine.snakemake("--keep-going", config="config/mine.yaml")
    assert refused.returncode != 0
    for named in ("data.mine: my-edits.jsonl", "line 6: unknown key 'targt'", "line 10: 'target' must be a text"):
        assert named in refused.stdout
    edits.write_text(text, encoding="utf-8")
