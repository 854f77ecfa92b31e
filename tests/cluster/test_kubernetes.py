"""Manifests and image for Kubernetes: valid by its schema, and made of files that are there. Nothing is executed."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml


def test_manifests_are_valid(project: Path):
    if find_spec("kubernetes_validate") is None:
        pytest.skip("pip install kubernetes-validate")
    import kubernetes_validate

    documents = list(yaml.safe_load_all((project / "kubernetes/workflow.yaml").read_text()))
    assert [document["kind"] for document in documents] == ["ServiceAccount", "Role", "RoleBinding", "Job"]
    newest = kubernetes_validate.latest_version()
    for document in documents:
        kubernetes_validate.validate(document, newest, strict=True)


def test_the_image_is_made_of_files_of_the_project(project: Path):
    lines = (project / "kubernetes/Containerfile").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in shlex.split(line)[1:-1]]
    assert {"wise", "analysis", "Snakefile", "rules", "pyproject.toml", "constraints.txt"} <= set(copied)
    assert all((project / name).exists() for name in copied)


def test_the_job_names_what_the_project_has(project: Path):
    job = list(yaml.safe_load_all((project / "kubernetes/workflow.yaml").read_text()))[-1]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    given = dict(argument.removeprefix("--").split("=", 1) for argument in container["args"])
    assert (project / given["configfile"]).is_file() and (project / given["profile"] / "config.yaml").is_file()
    assert given["container-image"] == container["image"]
