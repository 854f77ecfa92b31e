"""`wise export`: merge a memory into a plain checkpoint that needs nothing of this project."""

from __future__ import annotations

import argparse
from pathlib import Path

from wise.commands.common import add_memory_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Memory, base model, and where the checkpoint goes."""
    add_memory_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="new folder of the checkpoint")


def run(args: argparse.Namespace) -> None:
    """Merge and write; the log says what is lost."""
    import wise

    editor = wise.load(args.memory, args.model, device=args.device, dtype=args.dtype)
    edits = len(editor.edits)
    editor.merge_and_unload(args.out)
    print(f"{args.out}: a plain checkpoint with {edits} edits merged in; its README.md says what is lost")
