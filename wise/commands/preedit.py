"""`wise preedit`: ask the unedited model every question, once for all editors."""

from __future__ import annotations

import argparse
from pathlib import Path

from wise.commands.common import add_model_arguments, add_slice_arguments, slice_of
from wise.commands.loading import load_model
from wise.evaluate.ask import preedit_rows
from wise.evaluate.transcript import write_transcript
from wise.lm.vocabulary import require_fitting
from wise.records import read_records
from wise.slices import taken


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_model_arguments(parser)
    parser.add_argument("--records", type=Path, required=True, help="JSONL file of edits")
    parser.add_argument("--edits", type=int, required=True, help="how many of them, from the first")
    add_slice_arguments(parser)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--generate", action="store_true", help="answer the edit prompts freely as well")
    parser.add_argument("--out", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Write a transcript with T = 0."""
    lm = load_model(args, args.batch_size)
    stream = taken(read_records(args.records), slice_of(args))[: args.edits]
    require_fitting(lm, stream)
    write_transcript(args.out, preedit_rows(lm, stream, args.batch_size, args.generate))
