"""`wise trace`: which layers carry what the unedited model knows."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from wise.commands.common import add_model_arguments
from wise.commands.loading import load_model
from wise.errors import DataError
from wise.evaluate.tracing import known, trace
from wise.files import write_json
from wise.lm.spread import devices_named
from wise.records import read_records
from wise.tracking.run_record import hardware, now, versions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_model_arguments(parser)
    parser.add_argument("--records", type=Path, required=True, help="JSONL file of edits, whose prompts are traced")
    parser.add_argument("--prompts", type=int, default=40, help="how many it answers (default: %(default)s)")
    parser.add_argument("--noise", type=float, default=3.0, help="in standard deviations of embeddings (%(default)s)")
    parser.add_argument("--samples", type=int, default=5, help="of the noise for each prompt (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")


def run(args: argparse.Namespace) -> None:
    """Trace the prompts and write one row for each of them, kind of state, token and layer."""
    lm = load_model(args, 64)
    items = known(lm, read_records(args.records), args.prompts)
    if not items:
        raise DataError(f"{args.records}: the model answers no prompt that names its subject; nothing can be traced")
    rows = trace(lm, items, args.noise, args.samples, args.seed)
    machine = hardware(devices_named(lm.model), torch.get_num_threads())
    asked = {"prompts": len(items), "noise": args.noise, "samples": args.samples, "seed": args.seed}
    write_json(args.out, {**asked, "rows": rows, "hardware": machine, "versions": versions(), "finished": now()})
