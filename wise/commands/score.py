"""`wise score`: a transcript and its run record in, one score per edit and metric out."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from wise.documents import read_object
from wise.errors import DataError, refusing
from wise.evaluate.scores import RUN_COLUMNS, score_transcript
from wise.evaluate.transcript import read_transcript
from wise.files import atomic_path

LOG = logging.getLogger(__name__)

HELP = "turn a transcript into one score per edit and metric"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("--transcript", type=Path, required=True, help="transcript (Parquet) written by `wise stream`")
    parser.add_argument("--run", dest="record", type=Path, required=True, help="run.json of the same job")
    parser.add_argument("--out", type=Path, required=True, help="scores to write (Parquet)")


def run(args: argparse.Namespace) -> None:
    """Score one transcript."""
    rows, run = read_transcript(args.transcript), read_object(args.record, RUN_COLUMNS)
    with refusing(f"{args.transcript}: cannot be scored", DataError):
        scores = score_transcript(rows, run)
    with atomic_path(args.out) as temporary:
        scores.to_parquet(temporary, index=False, compression="zstd")
    LOG.info("%s: %d scores of %d metrics", args.out, len(scores), scores["metric"].nunique())
