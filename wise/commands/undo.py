"""`wise undo`: take edits out of a saved memory."""

from __future__ import annotations

import argparse
from pathlib import Path

from wise.commands.common import add_base_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, the base model, and how much."""
    parser.add_argument("memory", type=Path, help="folder of a saved memory; it is changed")
    add_base_arguments(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--shard", dest="what", action="store_const", const="shard", help="the edits of the last shard")
    what.add_argument("--all", dest="what", action="store_const", const="all", help="all edits")


def run(args: argparse.Namespace) -> None:
    """Undo, save in place, and list what is gone."""
    import wise

    editor = wise.load(args.memory, args.model, device=args.device, dtype=args.dtype)
    gone = editor.undo(args.what)
    editor.save_pretrained(args.memory)
    print(f"{len(gone)} edits undone, {len(editor.edits)} left in {args.memory}")
    for record in gone:
        print(f"{record.id}\t{record.prompt}\t{record.target}")
