"""Every configuration is accepted, and a mistake in one is named before any job starts."""

from __future__ import annotations

import pytest

from tests.workflow.conftest import Workspace


@pytest.mark.parametrize("config", ["default", "smoke", "tiny"])
def test_a_dry_run_plans_every_stage(copied: Workspace, config: str):
    jobs = copied.planned(config=f"config/{config}.yaml")
    assert {"factworld", "pretrain", "preedit", "edit", "score", "main_table", "triangle", "layer", "track"} <= set(
        jobs
    )


def test_default_is_what_a_plain_command_runs(copied: Workspace):
    assert "results/tables/main.csv" in copied.snakemake("--dry-run", config="config/default.yaml").stdout


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("evaluation:", "evaluaton:", "evaluaton"),
        ("  layer: {layer: [1]", "  layer: {layers: [1]", "layers"),
        ("  grace:", "  grase:", "Did you mean 'grace'?"),
        ("[factworld-qa]", "[factworld]", "factworld-qa"),
        ('"4": 1', '"4": 2', "need 8 edits"),
    ],
)
def test_a_mistake_is_refused_with_its_name(copied: Workspace, right: str, wrong: str, named: str):
    config = copied.folder / "config/wrong.yaml"
    text = (copied.folder / "config/tiny.yaml").read_text()
    assert right in text
    config.write_text(text.replace(right, wrong))
    run = copied.snakemake("--dry-run", config="config/wrong.yaml")
    assert run.returncode != 0
    assert named in run.stdout
