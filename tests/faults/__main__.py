"""The fault campaign: `make faults`, or `python -m tests.faults --kills 50 --out FOLDER`.

Each fault has to end with the results of an undisturbed run, bit for bit, or with one clear message; never with other
numbers. What was tried, how often, and how it ended is written as a table (Markdown) and as JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.faults import disk, kills, machine, store
from tests.faults.lab import Lab, Tally, say

PRELOADED = (
    "transformers.models.llama.modeling_llama",
    "analysis.output",
    "analysis.main_table",
    "wise.tracking.store",
)

ROOM = "1g"

Area = Callable[[Lab], Iterator[Tally]]


def areas(args: argparse.Namespace) -> dict[str, Area]:
    """What is tried, by name, with how much of it."""
    return {
        "phases": kills.at_each_phase,
        "random": partial(kills.at_random, kills=args.kills, minutes=args.minutes),
        "changes": partial(kills.at_each_change, most=args.most),
        "full": partial(disk.full, most=args.most),
        "damaged": partial(disk.damaged, flips=args.flips),
        "checkpoints": partial(disk.damaged_checkpoint, flips=args.flips),
        "memories": partial(disk.damaged_memory, flips=args.flips),
        "store": partial(store.damaged_store, flips=4 * args.flips),  # it is large, and most of it says little
        "tracking": store.struck,
        "read-only": disk.read_only,
        "memory": machine.little_memory,
        "clock": machine.clock_set_back,
        "two": machine.two_at_once,
    }


def main() -> int:
    """Carry the campaign out; status 1 where anything ended in another way."""
    parser = argparse.ArgumentParser(prog="tests.faults", description="Try faults, and write how each ended.")
    parser.add_argument("--kills", type=int, default=50, help="random kills of the workflow (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=16, help="for them, at most (default: %(default)s)")
    parser.add_argument("--flips", type=int, default=3, help="bits flipped in each kind of file (default: %(default)s)")
    parser.add_argument("--most", type=int, default=100, help="changes of a job at which it is struck, at most")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (default: %(default)s)")
    names = ", ".join(areas(parser.parse_args([])))
    parser.add_argument("--only", nargs="*", help=f"parts of: {names}; the files keep what they say of others")
    parser.add_argument("--kept", type=Path, help="folder of undisturbed results, made where it has none, and kept")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder for faults.md and .json")
    args = parser.parse_args()
    started = time.monotonic()
    tallies: list[Tally] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was tried by then is written
    try:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder, _in_memory(Path(folder, "lab")) as place:
            lab = Lab(Path(__file__).resolve().parents[2], place, args.kept or place / "kept", args.seed)
            _preload(lab)
            for name, area in areas(args).items():
                if not args.only or name in args.only:
                    _try(lab, name, area, started, tallies)
    finally:
        write(tallies, args)
    return int(any(tally.faults for tally in tallies))


@contextmanager
def _in_memory(place: Path) -> Iterator[Path]:
    """A folder where nothing waits for a disk, or a plain one for a user who may not mount a file system."""
    with ExitStack() as stack:
        try:
            stack.enter_context(disk.tmpfs(place, ROOM))
        except PermissionError:
            place.mkdir()
        yield place


def _try(lab: Lab, name: str, area: Area, started: float, tallies: list[Tally]) -> None:
    """Add what was tried of an area, as it comes; one that cannot be tried here says why."""
    try:
        last = time.monotonic()
        for tally in area(lab):
            tally.part, tally.seconds, last = name, round(time.monotonic() - last, 1), time.monotonic()
            tallies.append(tally)
            ends = f"{tally.tried} tried, {tally.same} same, {tally.told} told, {len(tally.faults)} WRONG"
            say(f"[{time.monotonic() - started:.0f} s] {tally.area}: {tally.what}: {tally.skipped or ends}")
    except PermissionError as error:
        tallies.append(Tally(name, "", skipped=str(error), part=name))


def write(tallies: list[Tally], args: argparse.Namespace) -> None:
    """The table, and the same with what went wrong as JSON; parts that were not asked for stay as they were."""
    args.out.mkdir(parents=True, exist_ok=True)
    place = args.out / "faults.json"
    former = json.loads(place.read_text(encoding="utf-8"))["tried"] if args.only and place.exists() else []
    others = [Tally(**one) for one in former if one["part"] not in args.only]
    order = [*areas(args)]
    tallies = sorted([*others, *tallies], key=lambda tally: order.index(tally.part))
    lines = [
        "| fault | what | tried | same results | clear message | wrong |",
        "|---|---|---:|---:|---:|---:|",
        *(
            f"| {tally.area} | {tally.what} | {tally.skipped or tally.tried} | {tally.same} | {tally.told} | "
            f"{len(tally.faults)} |"
            for tally in tallies
        ),
    ]
    (args.out / "faults.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    seconds = round(sum(tally.seconds for tally in tallies))
    found = {"seed": args.seed, "kills": args.kills, "seconds": seconds, "tried": [vars(one) for one in tallies]}
    place.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _preload(lab: Lab) -> None:
    """Import here, once, what the jobs import; numbers are those of one thread, as in the workflow."""
    os.environ["OMP_NUM_THREADS"] = "1"
    verbs = {f"wise.commands.{job.name}" for job in lab.jobs if job.module == "wise.cli"}
    for module in sorted(verbs | set(PRELOADED)):
        importlib.import_module(module)
    importlib.import_module("torch").set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
