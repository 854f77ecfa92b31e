"""The workflow as Slurm jobs: killed in the middle, resumed, and the same main table as a run on this machine.

`make cluster-test` runs it, on config/smoke.yaml or what CLUSTER_CONFIG names. It takes as long as two such runs whose
jobs all start cold.
"""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cluster import killed
from tests.cluster.slurm import missing, one_node
from tests.workflow.conftest import Workspace

CONFIG = os.environ.get("CLUSTER_CONFIG", "config/smoke.yaml")
PROFILE = (
    *("--profile", "profiles/slurm"),
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"),
)


@pytest.fixture(scope="module")
def workspace(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the project; skips where Slurm or its plugin is not installed."""
    if absent := missing():
        pytest.skip(f"no {', '.join(absent)}: apt-get install slurmctld slurmd slurm-client munge")
    if find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("no plugin for Slurm: pip install -c constraints.txt -e .[slurm]")
    return killed.workspace(project, tmp_path_factory.mktemp("slurm"), CONFIG)


def test_slurm_jobs_survive_a_kill_and_give_the_same_table(workspace: Workspace):
    command = workspace.command(*PROFILE, config=killed.PLACE)
    with one_node(workspace.folder / "slurm") as environment:
        environment["PYTHONPATH"] = str(workspace.folder)

        def between() -> None:
            subprocess.run(["scancel", "--user", str(os.getuid())], env=environment, check=True)
            subprocess.run([*command, "--unlock"], cwd=workspace.folder, env=environment, check=True)

        printed = killed.killed_and_resumed(workspace, command, environment, between)
    assert printed.count("has been submitted with SLURM jobid") > 10
    killed.assert_same_without(workspace)
