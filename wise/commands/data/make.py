"""`wise data make`: write a dataset."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from wise.commands.common import json_options
from wise.datasets import registry
from wise.files import read_json, seal
from wise.options import build_options

LOG = logging.getLogger("wise.data")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which dataset, and where to."""
    names = ", ".join(sorted(registry.DATASETS))
    parser.add_argument("--dataset", required=True, help=f"one of: {names}; or any name, with the option 'edits'")
    parser.add_argument("--options", type=json_options, default={}, help="options of the dataset, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="folder for the dataset's folders")


def run(args: argparse.Namespace) -> None:
    """Write the folders of one dataset."""
    chosen = registry.entry(args.dataset, args.options)
    options = build_options(registry.options_class(chosen), args.options, f"options of {args.dataset}")
    for folder in registry.make(args.dataset, chosen, options, args.out):
        seal(folder)
        LOG.info("%s: %s", folder, read_json(folder / "dataset.json")["counts"])
