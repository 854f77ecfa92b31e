"""`wise data`: fetch the raw files of a dataset, make it, and check files of edits, published ones or your own."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from wise.commands.common import json_argument
from wise.datasets import registry
from wise.datasets.own.report import report
from wise.datasets.published.options import Invalid
from wise.datasets.published.survey import survey
from wise.edit_files import examine
from wise.files import read_json
from wise.options import build_options

LOG = logging.getLogger("wise.data")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`fetch`, `make` and `check`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    make = actions.add_parser("make", help="write a dataset")
    make.add_argument(
        "--dataset",
        required=True,
        help=f"one of: {', '.join(sorted(registry.DATASETS))}; or any name, with the option 'edits'",
    )
    make.add_argument("--options", type=json_argument, default={}, help="options of the dataset, as JSON")
    make.add_argument("--out", type=Path, required=True, help="folder for the dataset's folders")
    fetch = actions.add_parser("fetch", help="download the raw files of a dataset and no more")
    fetch.add_argument("--dataset", required=True, help="as for make")
    fetch.add_argument("--options", type=json_argument, default={}, help="options of the dataset, as JSON")
    fetch.add_argument("--out", type=Path, required=True, help="folder for the files, the option 'files' of make")
    fetch.add_argument("--local-dir", default="", help="folder with files that are copied, not downloaded")
    fetch.add_argument("--offline", action="store_true", help="download nothing; an error says what is missing")
    check = actions.add_parser(
        "check", help="say what files of edits hold, what will be scored, and all that is wrong; status 1 for a problem"
    )
    check.add_argument(
        "files", type=Path, nargs="+", help="files of edits (JSONL, JSON, CSV), or raw files with --dataset"
    )
    check.add_argument("--dataset", help=f"the files are raw ones of {', '.join(registry.RAW)}")
    check.add_argument(
        "--invalid", choices=get_args(Invalid), default="stop", help="whether bad records are a reason for status 1"
    )


def run(args: argparse.Namespace) -> int:
    """Do what was asked; status 1 for files that cannot be used."""
    if args.action == "make":
        _make(args)
    elif args.action == "fetch":
        _fetch(args)
    else:
        return _check(args.files) if args.dataset is None else _check_raw(args)
    return 0


def _make(args: argparse.Namespace) -> None:
    chosen = registry.entry(args.dataset, args.options)
    options = build_options(registry.options_class(chosen), args.options, f"options of {args.dataset}")
    for folder in registry.make(args.dataset, chosen, options, args.out):
        LOG.info("%s: %s", folder, read_json(folder / "dataset.json")["counts"])


def _fetch(args: argparse.Namespace) -> None:
    chosen = registry.raw_entry(args.dataset)
    given: dict[str, Any] = {"files": str(args.out)}
    if args.local_dir:
        given["local_dir"] = args.local_dir
    if args.offline:
        given["offline"] = True
    options = build_options(registry.options_class(chosen), args.options | given, f"options of {args.dataset}")
    for path in registry.fetch(args.dataset, options, args.out):
        print(path)


def _check(files: Sequence[Path]) -> int:
    """Print what each file of edits holds, what will be scored, and all that is wrong in it."""
    from wise.evaluate.coverage import coverage
    from wise.evaluate.metrics import METRICS

    found = [examine(path) for path in files]
    for file in found:
        scored = {METRICS[name].title: count for name, count in coverage(file.records).items()}
        print(*report(file, scored), sep="\n")
    return 1 if any(file.problems for file in found) else 0


def _check_raw(args: argparse.Namespace) -> int:
    """Print what each file holds and all that is wrong in it."""
    convert = registry.raw_form(args.dataset)
    usable = True
    for path in args.files:
        lines, sound, problems = survey(path, convert)
        print(*lines, sep="\n")
        usable &= sound > 0 and (problems == 0 or args.invalid == "skip")
    return 0 if usable else 1
