"""The workflow as Slurm jobs: killed in the middle, resumed, and the same main table as a run on this machine.

`make cluster-test` runs it, on config/smoke.yaml or what CLUSTER_CONFIG names. It takes as long as two such runs whose
jobs all start cold.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from tests.cluster.slurm import missing, one_node
from tests.workflow.conftest import Workspace, copy_project

CONFIG = os.environ.get("CLUSTER_CONFIG", "config/smoke.yaml")
SECONDS = 3600
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
    made = copy_project(project, tmp_path_factory.mktemp("cluster"))
    shutil.copy2(project / CONFIG, made.folder / "config/cluster.yaml")
    name = yaml.safe_load((made.folder / "config/cluster.yaml").read_text())["results"]
    return Workspace(made.folder, made.folder / name)


def test_slurm_jobs_survive_a_kill_and_give_the_same_table(workspace: Workspace):
    with_slurm = workspace.command(*PROFILE, config="config/cluster.yaml")
    log = workspace.folder / "slurm.log"
    with one_node(workspace.folder / "slurm") as environment, log.open("w") as output:
        environment["PYTHONPATH"] = str(workspace.folder)
        options = {"cwd": workspace.folder, "env": environment, "stdout": output, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(with_slurm, start_new_session=True, **options)
        _wait_for(lambda: any(workspace.results.glob("scores/**/*.parquet")), process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        subprocess.run(["scancel", "--user", str(os.getuid())], env=environment, check=True)
        subprocess.run([*with_slurm, "--unlock"], timeout=SECONDS, **options)
        resumed = subprocess.run(with_slurm, timeout=SECONDS, **options)
    printed = log.read_text()
    assert resumed.returncode == 0, printed[-4000:]
    assert printed.count("has been submitted with SLURM jobid") > 10
    by_slurm = (workspace.results / "tables/main.csv").read_bytes()
    shutil.rmtree(workspace.results)
    here = workspace.snakemake(config="config/cluster.yaml")
    assert here.returncode == 0, here.stdout[-4000:]
    assert (workspace.results / "tables/main.csv").read_bytes() == by_slurm


def _wait_for(reached, process: subprocess.Popen) -> None:
    end = time.monotonic() + SECONDS
    while not reached():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the run ended (status {process.poll()}) or took too long before it could be killed")
        time.sleep(0.1)  # noqa: TID251 - until something is there
