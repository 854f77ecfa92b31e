"""`wise data fetch`: download the raw files of a dataset and no more."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wise.commands.common import json_options
from wise.datasets import registry
from wise.options import build_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which dataset, and where its files come from and go to."""
    parser.add_argument("--dataset", required=True, help=f"one of: {', '.join(registry.RAW)}")
    parser.add_argument("--options", type=json_options, default={}, help="options of the dataset, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files, the option 'files' of make")
    parser.add_argument("--local-dir", default="", help="folder with files that are copied, not downloaded")
    parser.add_argument("--offline", action="store_true", help="download nothing; an error says what is missing")


def run(args: argparse.Namespace) -> None:
    """Bring the files together in one folder, and print where they are."""
    chosen = registry.raw_entry(args.dataset)
    given: dict[str, Any] = {"files": str(args.out)}
    if args.local_dir:
        given["local_dir"] = args.local_dir
    if args.offline:
        given["offline"] = True
    options = build_options(registry.options_class(chosen), args.options | given, f"options of {args.dataset}")
    for path in registry.fetch(args.dataset, options, args.out):
        print(path)
