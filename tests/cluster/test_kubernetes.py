"""Kubernetes: manifests that its schema allows, an image of files that are there, and jobs that survive a kill.

There is no cluster: `tests.cluster.kubectl` stands for kubectl and runs the commands of jobs on this machine.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.cluster import killed, kubectl

PROPERTIES = {"rule": "study_edit", "threads": 1, "resources": {"mem_mb": 30000, "runtime": 1520, "gpu": 1}}


@pytest.fixture(scope="module")
def jobs(project: Path) -> ModuleType:
    """kubernetes/jobs.py."""
    spec = importlib.util.spec_from_file_location("jobs", project / "kubernetes/jobs.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def manifests(project: Path) -> list[dict[str, Any]]:
    """Those that a person applies."""
    return list(yaml.safe_load_all((project / "kubernetes/workflow.yaml").read_text()))


def test_manifests_are_valid(manifests: list[dict[str, Any]], jobs: ModuleType):
    if find_spec("kubernetes_validate") is None:
        pytest.skip("pip install kubernetes-validate")
    import kubernetes_validate

    kinds = [document["kind"] for document in manifests]
    assert kinds == ["ServiceAccount", "Role", "RoleBinding", "PersistentVolumeClaim", "Job"]
    small = {"rule": "score", "threads": 1, "resources": {"mem_mb": 1000}}
    made = [jobs.job(one, "/vol/job.sh", "wise-1", "REGISTRY/wise", "wise", "/vol") for one in (PROPERTIES, small)]
    for document in (*manifests, *made):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_image_is_made_of_files_of_the_project(project: Path):
    lines = (project / "kubernetes/Containerfile").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in shlex.split(line)[1:-1]]
    assert {"wise", "analysis", "Snakefile", "rules", "pyproject.toml", "kubernetes/jobs.py"} <= set(copied)
    assert all((project / name).exists() for name in copied)


def test_the_job_names_what_the_image_and_the_claim_have(project: Path, manifests: list[dict[str, Any]]):
    pod = manifests[-1]["spec"]["template"]["spec"]
    (container,), (first,) = pod["containers"], pod["initContainers"]
    assert first["image"] == container["image"] and first["command"] == ["/wise/kubernetes/jobs.py", "clear"]
    given = dict(argument.removeprefix("--").split("=", 1) for argument in container["args"] if "=" in argument)
    assert (project / given["configfile"].removeprefix("/wise/")).is_file()
    profile = yaml.safe_load((project / given["profile"] / "config.yaml").read_text())
    commands = [value for key, value in profile.items() if key.endswith("-cmd")]
    assert len(commands) == 3 and all("/wise/kubernetes/jobs.py" in command for command in commands)
    told = {one["name"]: one["value"] for one in container["env"]}
    assert told["WISE_IMAGE"] == container["image"] and told["WISE_CLAIM"] == manifests[-2]["metadata"]["name"]
    (mount,) = container["volumeMounts"]
    assert told["WISE_WORK"] == given["directory"] == mount["mountPath"]
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == told["WISE_CLAIM"]


def test_a_job_asks_for_what_its_rule_needs(jobs: ModuleType):
    spec = jobs.job(PROPERTIES, "/vol/job.sh", "wise-1", "IMAGE", "wise", "/vol")["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "1", "memory": "30000M"}
    assert container["resources"]["limits"] == {"memory": "30000M", "nvidia.com/gpu": "1"}
    assert spec["activeDeadlineSeconds"] == 60 * 1520 and container["command"] == ["/bin/sh", "/vol/job.sh"]


def test_jobs_survive_a_kill_and_give_the_same_table(project: Path, tmp_path: Path):
    if find_spec("snakemake_executor_plugin_cluster_generic") is None:
        pytest.skip("no plugin: pip install -c constraints.txt -e .[kubernetes]")
    here = killed.workspace(project, tmp_path / "work", "tests/faults/faults.yaml")
    for folder in ("cluster", "bin"):
        (tmp_path / folder).mkdir()
    (command := tmp_path / "bin/kubectl").write_text(f'#!/bin/sh\nexec {sys.executable} {kubectl.__file__} "$@"\n')
    command.chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(here.folder),
        "CLUSTER": str(tmp_path / "cluster"), "WISE_IMAGE": "i", "WISE_CLAIM": "c", "WISE_WORK": str(here.folder),
    }  # fmt: skip
    script = project / "kubernetes/jobs.py"
    place = [f"--cluster-generic-{verb}-cmd={sys.executable} {script} {verb}" for verb in ("submit", "status")]
    asked = here.command(*("--profile", "profiles/kubernetes", "--jobs", "2", "--nolock", *place), config=killed.PLACE)

    def between() -> None:
        subprocess.run([sys.executable, script, "clear"], env=environment, check=True)
        assert not list((tmp_path / "cluster").glob("*.json")), "nobody else writes now"

    printed = killed.killed_and_resumed(here, asked, environment, between)
    assert printed.count("with external jobid 'wise-") > 10
    killed.assert_same_without(here)
