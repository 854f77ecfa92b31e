#!/usr/bin/env python3
"""Jobs of Snakemake as jobs of Kubernetes, for `profiles/kubernetes`: what its commands to submit and to ask call.

    jobs.py submit SCRIPT       makes a job that runs a script of Snakemake, and prints its name
    jobs.py status NAME         prints running, success or failed
    jobs.py clear               removes all jobs, and waits until their pods have ended
    jobs.py NAME...             removes jobs (Snakemake gives a command to cancel no other arguments)

Every pod has the volume with the results at the same place as the pod of Snakemake. The environment says what pods are
made of: WISE_IMAGE, WISE_CLAIM (the claim of the volume) and WISE_WORK (where it is mounted).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

SHOWN = 100
"""Lines of a failed job's pod that are shown."""
LABEL = "wise-step"
"""What all jobs of a run are labelled with; the job of Snakemake itself is not."""
KEPT = 24 * 3600
"""Seconds for which an ended job can be looked at."""


def job(properties: dict[str, Any], script: str, name: str, image: str, claim: str, work: str) -> dict[str, Any]:
    """The manifest of a job that runs `script`, with the threads and resources that Snakemake notes in its properties.

    `mem_mb` in MB, `runtime` in minutes and `gpu` are those of wise/config/resources.py; the last two may be missing.
    """
    asked = properties.get("resources", {})
    memory = {"memory": f"{asked['mem_mb']}M"}
    gpus = {"nvidia.com/gpu": str(asked["gpu"])} if asked.get("gpu") else {}
    container = {
        "name": "job",
        "image": image,
        "command": ["/bin/sh", script],
        "workingDir": work,
        "env": [{"name": "XDG_CACHE_HOME", "value": "/tmp/cache"}],
        "volumeMounts": [{"name": "work", "mountPath": work}],
        "resources": {"requests": {"cpu": str(properties["threads"])} | memory, "limits": memory | gpus},
    }
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "work", "persistentVolumeClaim": {"claimName": claim}}],
    }
    if gpus:
        pod["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    spec: dict[str, Any] = {"backoffLimit": 0, "ttlSecondsAfterFinished": KEPT, "template": {"spec": pod}}
    if asked.get("runtime"):
        spec["activeDeadlineSeconds"] = 60 * asked["runtime"]
    labels = {"app": LABEL, "rule": properties["rule"].replace("_", "-")}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": labels}, "spec": spec,
    }  # fmt: skip


def submit(script: str) -> str:
    """Make a job of a script of Snakemake, whose second line has its properties as JSON; the job's name."""
    noted = next(line for line in Path(script).read_text(encoding="utf-8").splitlines() if "properties = " in line)
    properties = json.loads(noted.partition("properties = ")[2])
    name = f"wise-{uuid.uuid4().hex[:20]}"
    place = (os.environ[key] for key in ("WISE_IMAGE", "WISE_CLAIM", "WISE_WORK"))
    kubectl("create", "-f", "-", given=json.dumps(job(properties, script, name, *place)))
    return name


def status(name: str) -> str:
    """How far a job is; one that is not there any more has failed."""
    found = kubectl("get", "job", name, "--ignore-not-found", "-o", "json")
    if not found.strip():
        return "failed"
    ended = [
        one["type"] for one in json.loads(found).get("status", {}).get("conditions") or () if one["status"] == "True"
    ]
    if "Failed" in ended:
        sys.stderr.write(kubectl("logs", f"job/{name}", f"--tail={SHOWN}", "--ignore-errors"))
        return "failed"
    return "success" if "Complete" in ended else "running"


def kubectl(*arguments: str, given: str | None = None) -> str:
    """What kubectl printed; `subprocess.CalledProcessError` where it failed, which has said why."""
    done = subprocess.run(["kubectl", *arguments], input=given, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def main(argv: list[str]) -> int:
    """Carry one command out."""
    verb, *rest = argv
    if verb == "submit":
        sys.stdout.write(f"{submit(rest[-1])}\n")
    elif verb == "status":
        sys.stdout.write(f"{status(rest[-1])}\n")
    elif verb == "clear":
        kubectl("delete", "job", f"--selector=app={LABEL}", "--cascade=foreground", "--wait")
    else:
        kubectl("delete", "job", "--ignore-not-found", "--wait=false", *argv)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
