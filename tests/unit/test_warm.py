"""Commands that a warm process takes over: same output, status, folder and environment; nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wise import warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no warm processes there")

STARTER = "import sys, time; from wise import warm; print(warm.start(), flush=True); time.sleep(600)"
COMMAND = [sys.executable, "-m", "wise"]
WAITING = "import sys, time\n\ndef main(argv):\n    print('begun', flush=True)\n    time.sleep(600)\n"


@pytest.fixture(scope="module")
def starter(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that has started a warm one, which finds a module `waiting`, and the address of that."""
    modules = tmp_path_factory.mktemp("modules")
    (modules / "waiting.py").write_text(WAITING)
    environment = os.environ | {"PYTHONPATH": f"{modules}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-c", STARTER]
    process = subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    _until(lambda: Path(address).exists())
    yield process, address
    process.kill()
    process.wait()
    _until(lambda: not Path(address).parent.exists())


def test_output_and_status_are_those_of_the_command(starter, project: Path):
    for arguments in (["ls", "datasets"], ["score"]):
        alone, handed = (_run(arguments, project, address) for address in ("", starter[1]))
        assert handed.returncode == alone.returncode
        assert handed.stdout == alone.stdout
        assert _without_times(handed.stderr) == _without_times(alone.stderr)


def test_files_are_found_from_the_folder_of_the_command(starter, project: Path, tmp_path: Path):
    (tmp_path / "edits.jsonl").write_text('{"prompt": "The capital of France is"}\n')
    handed = _run(["data", "check", "edits.jsonl"], tmp_path, starter[1], PYTHONPATH=str(project))
    assert handed.returncode != 0 and "edits.jsonl" in handed.stdout + handed.stderr


def test_a_killed_command_takes_its_child_with_it(starter, project: Path):
    environment = os.environ | {warm.VARIABLE: starter[1]}
    command = [sys.executable, "-c", "from wise.warm import hand_over; hand_over('waiting', [])"]
    with subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "begun\n"
        asking.send_signal(signal.SIGKILL)
        assert asking.stdout.read() == "", "closed as soon as the child is gone too"


def test_nobody_listens(project: Path, tmp_path: Path):
    assert _run(["ls", "datasets"], project, str(tmp_path / "nobody")).returncode == 0


def _run(arguments: list[str], folder: Path, address: str, **environment: str) -> subprocess.CompletedProcess[str]:
    changed = os.environ | {warm.VARIABLE: address} | environment
    return subprocess.run([*COMMAND, *arguments], cwd=folder, env=changed, capture_output=True, text=True, timeout=120)


def _without_times(text: str) -> list[str]:
    return [line[8:] if line[2:3] == ":" else line for line in text.splitlines()]


def _until(reached) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)  # noqa: TID251 - until something is there
