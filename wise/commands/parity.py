"""`wise parity`: replay golden runs in the released convention and say how far this implementation is off.

Without a folder, the golden runs that are part of the project; docs/conventions.md says what those prove.

Every edit starts from the stored side memory and every merging goes on from the stored result, so each is compared by
itself; sums are tried in several orders, see `wise.parity.replay.SUM_BLOCKS`.
"""

from __future__ import annotations

import argparse

from wise.parity.check import check_folder
from wise.parity.deviations import KINDS
from wise.parity.golden import shipped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("folders", nargs="*", metavar="DIR", help="golden folder; none: the project's own")


def run(args: argparse.Namespace) -> int:
    """Print the largest deviations of each folder; 0 when all are the same numbers, else 1."""
    passed = True
    for folder in args.folders or shipped():
        golden, deviations = check_folder(str(folder))
        good = deviations.within(golden.tolerance)
        passed &= good
        verdict = "pass" if good else "FAIL"
        print(f"{golden.folder}: {verdict} ({golden.dtype}, {golden.edits} edits, tolerance {golden.tolerance:g})")
        for kind in KINDS:
            print(f"  {kind:<14} {deviations.largest[kind]:9.2e} of {deviations.compared[kind]} compared")
    return 0 if passed else 1
