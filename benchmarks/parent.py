"""What Snakemake itself costs: processor seconds of its parent over many jobs of the real rules that do nothing.

    python benchmarks/parent.py --out benchmarks/results/parent.json

The default configuration with more seeds, whose jobs only make their outputs. Two jobs follow from each seed and
editor. The parent's user and system time are read from the system when it has ended; its jobs are not part of them.
Beside the total stand processor seconds of its parts, taken where Snakemake begins and ends them: until the first job
starts (reading the rules, building the graph of jobs), choosing jobs, starting them, and what follows their ends. What
lies in `.snakemake` at the end is counted as files and bytes.
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
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

SNAKEFILE = '''
import contextlib
import functools
import inspect
import json
import os
import sys
import time
from snakemake.persistence import PersistenceBase
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.shell import shell as carry_out

include: {snakefile!r}

def shell(command, **options):
    """Makes the outputs of the rule that calls it; those without a suffix are folders."""
    outputs = sys._getframe(1).f_locals["output"]
    folders = [path for path in outputs if not path.rpartition("/")[2].count(".")]
    carry_out(f"mkdir -p {{' '.join(folders)}} .; sleep {sleep}; touch {{' '.join(map(str, outputs))}}", **options)

SPENT = {{}}

def timed(owner, method, name):
    """Adds up the processor time of the calling thread under a name."""
    own = getattr(owner, method)

    @contextlib.contextmanager
    def clock():
        started = time.thread_time()
        if name == "schedule":
            SPENT["until_first_job"], SPENT["until_first_job_wall"] = time.process_time(), time.monotonic()
        try:
            yield
        finally:
            SPENT[name] = SPENT.get(name, 0.0) + time.thread_time() - started
            if name == "schedule":
                with open("spent.json", "w") as file:
                    json.dump(SPENT, file)

    def measured(*args, **kwargs):
        with clock():
            return own(*args, **kwargs)

    async def measured_async(*args, **kwargs):
        with clock():
            return await own(*args, **kwargs)

    setattr(owner, method, functools.wraps(own)(measured_async if inspect.iscoroutinefunction(own) else measured))

timed(JobScheduler, "schedule", "schedule")
timed(JobScheduler, "job_selector", "choose")
timed(JobScheduler, "run", "start")
timed(JobScheduler, "_finish_jobs", "finish")
timed(PersistenceBase, "started", "persistence_start")
timed(PersistenceBase, "finished", "persistence_finish")
'''


def measure(project: Path, seeds: int, cores: int, sleep: float) -> dict[str, Any]:
    """Run Snakemake to its end in a folder of its own; raises `CalledProcessError` where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Snakefile").write_text(SNAKEFILE.format(snakefile=str(project / "Snakefile"), sleep=sleep))
        for name in ("analysis", "config"):  # rules read files of them
            Path(folder, name).symlink_to(project / name)
        Path(folder, "seeds.json").write_text(json.dumps({"seeds": list(range(seeds))}))
        command = [
            *(str(Path(sys.executable).with_name("snakemake")), "all", "--cores", str(cores)),
            *("--workflow-profile", str(project / "profiles/default")),
            *("--configfile", str(project / "config/default.yaml"), "seeds.json"),
        ]
        environment = {**os.environ, "PYTHONPATH": str(project), "WISE_WARM": ""}  # no job imports anything
        started = time.monotonic()
        with Path(folder, "log").open("w+") as log:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
            ticks = _own_ticks(process)
            log.seek(0)
            printed = log.read()
        wall = time.monotonic() - started
        if process.returncode or "total" not in printed:
            sys.exit(printed[-3000:])
        spent = json.loads(Path(folder, "spent.json").read_text())
        kept = [file.stat().st_size for file in Path(folder, ".snakemake").rglob("*") if file.is_file()]
    jobs = int(re.findall(r"^total +(\d+)$", printed, flags=re.MULTILINE)[0])
    used = ticks / os.sysconf("SC_CLK_TCK")
    spent["until_first_job_wall"] -= started
    total = {"jobs": jobs, "wall_s": wall, "parent_s": used, "parent_s_a_job": used / jobs, "share": used / wall}
    return total | {"parts_s": spent, "kept": {"files": len(kept), "bytes": sum(kept)}}


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
    """Measure each number of seeds and write."""
    parser = argparse.ArgumentParser(description="Measure what Snakemake's parent costs.")
    parser.add_argument("--project", type=Path, default=ROOT, help="another copy of the project to measure")
    parser.add_argument("--seeds", type=int, nargs="+", default=[55, 264], help="seeds of each run (default: both)")
    parser.add_argument("--cores", type=int, default=2, help="jobs at a time (default: %(default)s)")
    parser.add_argument("--sleep", type=float, default=0.0, help="seconds that each job sleeps (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file to write (JSON)")
    args = parser.parse_args()
    found: dict[str, Any] = {"cores": args.cores, "sleep_s": args.sleep, "runs": []}
    for seeds in args.seeds:
        run = measure(args.project, seeds, args.cores, args.sleep)
        found["runs"].append(json.loads(json.dumps(run), parse_float=lambda text: round(float(text), 4)))
        text = json.dumps(found, indent=1) + "\n"
        if args.out is not None:  # also where a later run is cut short
            args.out.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
