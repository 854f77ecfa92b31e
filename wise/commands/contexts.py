"""`wise contexts`: let the model write random prefixes."""

from __future__ import annotations

import argparse
from pathlib import Path

from wise.commands.common import add_model_arguments
from wise.commands.loading import load_model
from wise.files import write_json
from wise.lm.contexts import write_contexts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_model_arguments(parser)
    parser.add_argument("--count", type=int, default=10, help="how many (default: %(default)s)")
    parser.add_argument("--length", type=int, default=10, help="tokens of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Write the prefixes and what made them."""
    lm = load_model(args, args.count)
    texts = write_contexts(lm, args.count, args.length, args.seed)
    write_json(args.out, {"model": args.model, "seed": args.seed, "length": args.length, "contexts": texts})
