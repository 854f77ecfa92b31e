"""`wise data make` writes a dataset; `wise data check` validates files of edit records."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from wise.commands.common import json_argument
from wise.datasets.registry import DATASETS, dataset
from wise.files import read_json
from wise.options import build_options
from wise.records import read_records

log = logging.getLogger("wise.data")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`make` and `check`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    make = actions.add_parser("make", help="write a dataset")
    make.add_argument("--dataset", required=True, help=f"one of: {', '.join(sorted(DATASETS))}")
    make.add_argument("--options", type=json_argument, default={}, help="options of the dataset, as JSON")
    make.add_argument("--out", type=Path, required=True, help="folder for the dataset's folders")
    check = actions.add_parser("check", help="validate files of edit records")
    check.add_argument("files", type=Path, nargs="+", help="JSONL files")


def run(args: argparse.Namespace) -> None:
    """Do what was asked and log what was written or read."""
    if args.action == "check":
        for path in args.files:
            log.info("%s: %d records", path, len(read_records(path)))
        return
    chosen = dataset(args.dataset)
    options = build_options(chosen.options, args.options, f"options of {args.dataset}")
    for folder in chosen.make(options, args.out):
        log.info("%s: %s", folder, read_json(folder / "dataset.json")["counts"])
