"""`wise knowledge`: what a model knows before any edit, as JSON."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from wise.commands.common import add_model_arguments
from wise.commands.loading import load_model
from wise.files import write_json
from wise.pretraining.knowledge import knowledge_report, read_questions

LOG = logging.getLogger("wise.knowledge")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Facts, model, and where the report goes."""
    add_model_arguments(parser)
    parser.add_argument("--facts", type=Path, required=True, help="facts.jsonl of a dataset")
    parser.add_argument("--batch-size", type=int, default=256, help="questions asked at once (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of the report")


def run(args: argparse.Namespace) -> None:
    """Ask everything and log the overall shares."""
    questions = read_questions(args.facts)
    lm = load_model(args, args.batch_size)
    report = knowledge_report(lm, questions, args.batch_size)
    write_json(args.out, {"schema": 1, "kind": "knowledge"} | report)
    for aspect, share in report["overall"].items():
        LOG.info("%-17s %.3f of %d questions", aspect, share["exact"], share["questions"])
