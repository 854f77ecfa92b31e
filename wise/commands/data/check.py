"""`wise data check`: what files of edits hold, what will be scored, and all that is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from wise.datasets import registry
from wise.datasets.own.report import report
from wise.datasets.published.options import Invalid
from wise.datasets.published.survey import survey
from wise.edit_files import examine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The files."""
    parser.add_argument("files", type=Path, nargs="+", help="edits as JSONL, JSON or CSV, or raw files with --dataset")
    parser.add_argument("--dataset", help=f"the files are raw ones of {', '.join(registry.RAW)}")
    parser.add_argument(
        "--invalid", choices=get_args(Invalid), default="stop", help="whether bad records are a reason for status 1"
    )


def run(args: argparse.Namespace) -> int:
    """Print what each file holds; status 1 if one has a problem."""
    return _check_edits(args.files) if args.dataset is None else _check_raw(args)


def _check_edits(files: Sequence[Path]) -> int:
    """Files of edits, one's own or made by the project."""
    from wise.evaluate.coverage import coverage
    from wise.evaluate.metrics import METRICS

    found = [examine(path) for path in files]
    for file in found:
        scored = {METRICS[name].title: count for name, count in coverage(file.records).items()}
        print(*report(file, scored), sep="\n")
    return 1 if any(file.problems for file in found) else 0


def _check_raw(args: argparse.Namespace) -> int:
    """Raw files of a published dataset."""
    convert = registry.raw_form(args.dataset)
    usable = True
    for path in args.files:
        lines, sound, problems = survey(path, convert)
        print(*lines, sep="\n")
        usable &= sound > 0 and (problems == 0 or args.invalid == "skip")
    return 0 if usable else 1
