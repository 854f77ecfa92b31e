"""`wise pretrain`: train the embedded language model on a corpus and report how it went."""

from __future__ import annotations

import argparse
import logging
import shutil
from dataclasses import asdict
from pathlib import Path

from wise.commands.common import json_options
from wise.files import sha256, write_json
from wise.lm.devices import find_device
from wise.options import build_options
from wise.pretraining.packing import read_corpus
from wise.pretraining.pretrain import PretrainOptions, pretrain, save_pretrained

LOG = logging.getLogger("wise.pretrain")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Corpus, recipe, seed, and where model and report go."""
    parser.add_argument("--corpus", type=Path, required=True, help="corpus.jsonl of a dataset")
    parser.add_argument("--options", type=json_options, default={}, help="architecture and recipe, as JSON")
    parser.add_argument("--seed", type=int, default=0, help="initial weights and order of the documents")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: %(default)s)")
    parser.add_argument("--checkpoint", type=Path, help="folder in which a training that is cut short goes on")
    parser.add_argument("--threads", type=int, default=0, help="parts of a batch at once (default: torch's threads)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--report", type=Path, required=True, help="JSON file with the loss curve, time and recipe")


def run(args: argparse.Namespace) -> None:
    """Train, save, and write the report last, so that a report stands for a whole model."""
    import torch

    workers = args.threads or torch.get_num_threads()
    torch.set_num_threads(1)  # the parts run side by side, each on one thread
    options = build_options(PretrainOptions, args.options, "options of pretrain")
    device = find_device(args.device)
    texts = read_corpus(args.corpus)
    model, tokenizer, report = pretrain(texts, options, args.seed, workers, device, args.checkpoint)
    save_pretrained(model, tokenizer, args.out)
    described = {
        "schema": 1,
        "kind": "pretrain",
        "corpus_sha256": sha256(args.corpus),
        "seed": args.seed,
        "options": asdict(options),
        "versions": {"torch": torch.__version__},
    }
    write_json(args.report, described | asdict(report))
    if args.checkpoint is not None:
        shutil.rmtree(args.checkpoint, ignore_errors=True)
    loss = report.curve[-1]["loss"]
    LOG.info("%s: %d parameters, loss %.3f, %.0f s", args.out, report.parameters, loss, report.seconds)
