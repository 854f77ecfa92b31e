"""Jobs on one machine that start from a process in which everything is imported already.

To import torch and transformers takes several seconds, longer than many a job works. `python -m wise.warm ADDRESS`
imports them once and listens at a socket; where the environment variable `WISE_WARM` names that socket, the commands
`python -m wise` and `python -m analysis` hand themselves over to it. It forks, and the child runs the command with the
folder, environment, output and arguments of the one that asked, which waits and takes over its exit status. Where
nobody listens, commands run by themselves.

The process ends with the one that started it. A command that is killed takes its child with it.
"""

from __future__ import annotations

import gc
import importlib
import json
import multiprocessing
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

VARIABLE = "WISE_WARM"
"""Environment variable that names the socket."""

COLD = ("overhead",)
"""Verbs that measure what a process of their own needs."""

PRELOADED = (
    *(f"wise.commands.{verb}" for verb in ("stream", "preedit", "prepare", "contexts", "knowledge", "tune", "score")),
    "transformers.models.llama.modeling_llama",
    "analysis.inputs",
    "analysis.output",
    "seaborn",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "matplotlib.mathtext",
    "scipy.stats",
)

FEW = 5
"""So many jobs start faster by themselves."""

STREAMS = (0, 1, 2)
"""Standard input, output and error."""


def hand_over(module: str, argv: Sequence[str]) -> int | None:
    """Let the warm process run `module.main(argv)`; its exit status, or None where nobody took it over."""
    address = os.environ.get(VARIABLE)
    if not address or set(argv[:1]) & set(COLD):
        return None
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(address)
        except OSError:  # not listening yet, or no more
            return None
        try:
            status = _asked(line, module, argv)
        except OSError:
            status = b""
    if not status:
        print(f"{module}: the warm process was killed; start again, or with {VARIABLE}= to do without", file=sys.stderr)
        return 1
    return int(status)


def _asked(line: socket.socket, module: str, argv: Sequence[str]) -> bytes:
    """Send a request and wait for the exit status of the command; nothing where the other end is gone."""
    request = {"module": module, "argv": list(argv), "folder": os.getcwd(), "environment": dict(os.environ)}
    socket.send_fds(line, [b"%"], STREAMS)
    line.sendall(json.dumps(request).encode() + b"\n")
    with line.makefile("rb") as answer:
        return answer.readline()


def wanted(jobs: int) -> bool:
    """Whether a run of so many jobs should start a warm process: the variable, set to nothing, says no."""
    return jobs > FEW and VARIABLE not in os.environ


def start() -> str | None:
    """Start a warm process that ends with this one; its address, or None where there are no such processes.

    They exist on Linux. Elsewhere a fork of a process with frameworks in it may crash.
    """
    if sys.platform != "linux":
        return None
    address = Path(tempfile.mkdtemp(prefix="wise-")) / "warm"  # only its owner can enter such a folder
    subprocess.Popen([sys.executable, "-m", "wise.warm", str(address)])
    return str(address)


def serve(address: str) -> None:
    """Answer requests at a new socket until the parent process has ended, or until SIGTERM."""
    parent, ended = os.getppid(), []
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as ready:
        for module in PRELOADED:
            importlib.import_module(module)
        listener.bind(address)  # not before: where something is missing, commands start by themselves and say so
        listener.listen()
        gc.freeze()  # a collection in a child would otherwise copy all these pages
        signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # children of a terminal get it too, and end by themselves
        ready.register(listener, selectors.EVENT_READ)
        while os.getppid() == parent and not ended:
            for key, _ in ready.select(timeout=1):
                if key.fileobj is listener:
                    _accept(listener, ready)
                else:
                    process, line = key.data
                    _attend(process, line, ready)
        for process, _ in {key.data for key in ready.get_map().values() if key.data}:
            process.kill()
    shutil.rmtree(Path(address).parent, ignore_errors=True)


def _accept(listener: socket.socket, ready: selectors.BaseSelector) -> None:
    """Fork a child for the next request, and watch for the end of it and of who asked."""
    line, _ = listener.accept()
    _, streams, *_ = socket.recv_fds(line, 1, len(STREAMS))
    with line.makefile("rb") as incoming:
        request = json.loads(incoming.readline())
    process = multiprocessing.get_context("fork").Process(target=_work, args=(request, streams))
    process.start()
    for stream in streams:
        os.close(stream)
    for watched in (line.fileno(), process.sentinel):
        ready.register(watched, selectors.EVENT_READ, (process, line))


def _attend(process: BaseProcess, line: socket.socket, ready: selectors.BaseSelector) -> None:
    """Report a child that has ended; end one whose command is gone."""
    if process.sentinel not in ready.get_map():
        return  # both ended at once
    process.join(timeout=0)
    if process.exitcode is None:
        process.terminate()
        process.join()
    for watched in (line.fileno(), process.sentinel):
        ready.unregister(watched)
    status = process.exitcode or 0
    try:
        line.sendall(b"%d\n" % (status if status >= 0 else 128 - status))
    except OSError:  # nobody waits for it any more
        pass
    line.close()


def _work(request: dict[str, Any], streams: Sequence[int]) -> None:
    """In the child: become the command that asked, and run it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for received, standard in zip(streams, STREAMS, strict=True):
        os.dup2(received, standard)
        os.close(received)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit():  # torch has read it before
        sys.modules["torch"].set_num_threads(int(threads))
    sys.exit(importlib.import_module(request["module"]).main(request["argv"]))


if __name__ == "__main__":
    serve(sys.argv[1])
