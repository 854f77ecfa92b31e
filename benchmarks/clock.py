"""How long a whole command takes: wall and processor time and peak memory, with what it ran on, as one JSON file.

    python benchmarks/clock.py --out benchmarks/results/run.json make run CORES=2

For times that the documentation names (`docs/sources.py`). Start it on an idle machine, with nothing made before.
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

from wise.tracking.run_record import hardware, versions


def main() -> int:
    """Run the command; write its cost only if it succeeds, and return its status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what is measured")
    args = parser.parse_args()
    started = time.monotonic()
    status = subprocess.run(args.command).returncode
    wall = time.monotonic() - started
    if status:
        return status
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "command": shlex.join(args.command),
        "wall_seconds": wall,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "largest_process_bytes": used.ru_maxrss * 1024,
        "hardware": hardware("cpu", 1),
        "versions": versions(),
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
