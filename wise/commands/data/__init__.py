"""`wise data`: fetch the raw files of a dataset, make it, and check files of edits, published ones or your own.

Each action is a module with `add_arguments(parser)` and `run(args)`, imported by its name: what only the check needs
is then no part of the jobs that make datasets (`wise.code_inputs`).
"""

from __future__ import annotations

import argparse
from importlib import import_module

ACTIONS = {
    "make": "write a dataset",
    "fetch": "download the raw files of a dataset and no more",
    "check": "say what files of edits hold, what will be scored, what is wrong and what leaks; status 1 for a problem",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions."""
    actions = parser.add_subparsers(dest="chosen", required=True, metavar="ACTION")
    for name, help_text in ACTIONS.items():
        action = import_module(f"{__name__}.{name}")
        subparser = actions.add_parser(name, help=help_text, description=help_text.capitalize() + ".")
        action.add_arguments(subparser)
        subparser.set_defaults(action=action.run)


def run(args: argparse.Namespace) -> int:
    """Do what was asked; status 1 for files that cannot be used."""
    return args.action(args) or 0
