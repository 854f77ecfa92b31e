"""`python -m tests.bad_input`: damage input of every kind many times, and write what came of it as a table."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tqdm import tqdm

from tests.bad_input import folders, texts
from tests.bad_input.lab import Kind, attempt

OUT = Path(__file__).resolve().parents[2] / "benchmarks/results/bad-input.md"


def tried(kind: Kind, examples: int, shown: int = 3) -> tuple[Counter[str], list[str]]:
    """How so many attempts ended, and what was said of the first that ended wrongly."""
    endings: Counter[str] = Counter()
    wrong: list[str] = []

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.data())
    def run(data: st.DataObject) -> None:
        try:
            endings[attempt(kind, data.draw)] += 1
        except AssertionError as error:
            endings["wrong"] += 1
            wrong.append("".join(traceback.format_exception(error)[-1:]) + "".join(_cause(error)))

    run()
    return endings, wrong[:shown]


def _cause(error: BaseException) -> list[str]:
    cause = error.__cause__
    return traceback.format_exception(cause)[-3:] if cause is not None else []


def main() -> int:
    """Try every kind, or those that are named; status 1 where something ended wrongly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="attempts of a kind (default: %(default)s)")
    parser.add_argument("--kinds", nargs="*", default=[], help="names of kinds (default: all, written to a file)")
    parser.add_argument("--shown", type=int, default=3, help="wrong endings of a kind that are printed")
    parser.add_argument("--out", type=Path, default=OUT, help="table to write")
    args = parser.parse_args()
    rows, failed = [], 0
    every = [*texts.KINDS, *folders.kinds(folders.EDITORS)]
    for kind in tqdm([kind for kind in every if not args.kinds or kind.name in args.kinds], disable=None):
        started = time.monotonic()
        endings, wrong = tried(kind, args.examples, args.shown)
        failed += endings["wrong"]
        numbers = [sum(endings.values()), *(endings[ending] for ending in ("accepted", "refused", "wrong"))]
        rows.append(f"| {kind.name} | {' | '.join(map(str, numbers))} |")
        sys.stdout.write(f"{rows[-1]} {time.monotonic() - started:.0f} s\n" + "".join(f"\n{text}\n" for text in wrong))
        sys.stdout.flush()
    if not args.kinds:
        head = "| Kind of input | tried | accepted | refused with a clear message | wrong |\n|---|" + "---:|" * 4 + "\n"
        args.out.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
