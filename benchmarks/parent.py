"""What Snakemake itself costs: processor seconds of its parent over many jobs of the real rules that do nothing.

    python benchmarks/parent.py --out benchmarks/results/parent.json

The default configuration with more seeds, whose jobs only make their outputs. Two jobs follow from each seed and
editor. The parent's user and system time are read from the system when it has ended; its jobs are not part of them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SNAKEFILE = '''
import sys
from snakemake.shell import shell as carry_out

include: {snakefile!r}

def shell(command, **options):
    """Makes the outputs of the rule that calls it; those without a suffix are folders."""
    outputs = sys._getframe(1).f_locals["output"]
    folders = [path for path in outputs if not path.rpartition("/")[2].count(".")]
    carry_out(f"mkdir -p {{' '.join(folders)}} .; sleep {sleep}; touch {{' '.join(map(str, outputs))}}", **options)
'''


def measure(project: Path, seeds: int, cores: int, sleep: float) -> dict[str, float]:
    """Run Snakemake to its end in a folder of its own; raises `CalledProcessError` where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Snakefile").write_text(SNAKEFILE.format(snakefile=str(project / "Snakefile"), sleep=sleep))
        Path(folder, "analysis").symlink_to(project / "analysis")  # a rule reads a file of it
        Path(folder, "seeds.json").write_text(json.dumps({"seeds": list(range(seeds))}))
        command = [
            *(str(Path(sys.executable).with_name("snakemake")), "all", "--cores", str(cores)),
            *("--workflow-profile", str(project / "profiles/default")),
            *("--configfile", str(project / "config/default.yaml"), "seeds.json"),
        ]
        environment = {**os.environ, "PYTHONPATH": str(project)}
        started = time.monotonic()
        with Path(folder, "log").open("w+") as log:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
            ticks = _own_ticks(process)
            log.seek(0)
            printed = log.read()
        wall = time.monotonic() - started
    if process.returncode or "total" not in printed:
        sys.exit(printed[-3000:])
    jobs = int(re.findall(r"^total +(\d+)$", printed, flags=re.MULTILINE)[0])
    used = ticks / os.sysconf("SC_CLK_TCK")
    return {"jobs": jobs, "wall_s": wall, "parent_s": used, "parent_s_a_job": used / jobs, "share": used / wall}


def _own_ticks(process: subprocess.Popen) -> int:
    """User and system time of a process alone, as far as it was seen last before its end."""
    ticks = 0
    while process.poll() is None:
        try:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
            ticks = max(ticks, int(fields[11]) + int(fields[12]))
        except OSError:
            pass  # it has just ended
        time.sleep(0.2)
    return ticks


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Measure what Snakemake's parent costs.")
    parser.add_argument("--project", type=Path, default=ROOT, help="another copy of the project to measure")
    parser.add_argument("--seeds", type=int, default=55, help="seeds of the main comparison (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=2, help="jobs at a time (default: %(default)s)")
    parser.add_argument("--sleep", type=float, default=0.0, help="seconds that each job sleeps (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file to write (JSON)")
    args = parser.parse_args()
    found = {"cores": args.cores, "sleep_s": args.sleep, **measure(args.project, args.seeds, args.cores, args.sleep)}
    text = json.dumps({key: round(value, 4) for key, value in found.items()}, indent=1) + "\n"
    sys.stdout.write(text)
    if args.out is not None:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
