"""Snakemake in forks of one process that has imported it, which takes longer than most dry runs.

Run as a script it reads requests, one line of JSON each, and answers with the exit status. Of the project it imports
nothing: each request finds the code of its own folder, as a process of its own would.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

SECONDS = 600
"""After so long a run is ended."""


@cache
def _server() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    atexit.register(process.communicate)  # the end of its input ends it
    return process


def snakemake(arguments: Sequence[str], folder: Path, printed: Path) -> int:
    """The exit status of `snakemake` with these arguments in a folder; what it says is written to `printed`."""
    server = _server()
    request = {"argv": list(arguments), "folder": str(folder), "printed": str(printed), "environment": dict(os.environ)}
    server.stdin.write(json.dumps(request) + "\n")
    return int(server.stdout.readline())


def _work(request: dict[str, Any]) -> None:
    """In the fork: become the command."""
    import snakemake.cli

    signal.alarm(SECONDS)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = str(Path(sys.executable).parent)  # as for the command
    with open(request["printed"], "w") as printed, open(os.devnull) as nothing:
        for stream, number in ((nothing, 0), (printed, 1), (printed, 2)):
            os.dup2(stream.fileno(), number)
    snakemake.cli.main(request["argv"])


def _serve() -> None:
    import pydantic.dataclasses  # noqa: F401 - all of these: for the forks
    import snakemake.cli  # noqa: F401
    import snakemake.report  # noqa: F401
    import yaml  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = 1
            try:
                _work(json.loads(line))
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
