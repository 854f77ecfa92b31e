"""What `kubernetes/jobs.py` needs of kubectl, with this machine as the cluster: pods are processes.

A folder, named by the environment variable CLUSTER, holds the manifest, the output and the status of each job.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path


def create(folder: Path) -> None:
    """Start the command of a job."""
    manifest = json.load(sys.stdin)
    (folder / f"{manifest['metadata']['name']}.json").write_text(json.dumps(manifest))
    command = [sys.executable, __file__, "run", manifest["metadata"]["name"]]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = subprocess.Popen(command, start_new_session=True, **quiet)
    (folder / f"{manifest['metadata']['name']}.pid").write_text(str(started.pid))


def run(folder: Path, name: str) -> None:
    """Be the pod of a job, to its end."""
    manifest = json.loads((folder / f"{name}.json").read_text())
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    environment = os.environ | {one["name"]: one["value"] for one in container["env"]}
    with (folder / f"{name}.log").open("w") as log:
        done = subprocess.run(
            container["command"], cwd=container["workingDir"], env=environment, stdout=log, stderr=log
        )
    (folder / f"{name}.new").write_text("Failed" if done.returncode else "Complete")
    os.replace(folder / f"{name}.new", folder / f"{name}.ended")


def get(folder: Path, name: str) -> None:
    """Print a job with the condition that it ended in; nothing where there is none."""
    if (folder / f"{name}.json").exists():
        ended = folder / f"{name}.ended"
        conditions = [{"type": ended.read_text(), "status": "True"}] if ended.exists() else []
        sys.stdout.write(json.dumps({"status": {"conditions": conditions}}))


def delete(folder: Path, name: str) -> None:
    """End a job and forget it."""
    if (folder / f"{name}.json").exists():
        try:
            os.killpg(int((folder / f"{name}.pid").read_text()), signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended
        (folder / f"{name}.json").unlink()


def main(argv: list[str]) -> None:
    """Carry out one command of those that are needed."""
    folder, verb = Path(os.environ["CLUSTER"]), argv[0]
    names = [word.removeprefix("job/") for word in argv[1:] if word.startswith(("wise-", "job/wise-"))]
    if any(word.startswith("--selector=") for word in argv):
        names = [path.stem for path in folder.glob("*.json")]
    if verb == "create":
        create(folder)
    for name in names:
        if verb == "logs":
            sys.stdout.write((folder / f"{name}.log").read_text())
        else:
            {"run": run, "get": get, "delete": delete}[verb](folder, name)


if __name__ == "__main__":
    main(sys.argv[1:])
