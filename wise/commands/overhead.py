"""`wise overhead`: what editors cost, all in one process so that their times compare."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from wise.commands.common import add_editing_arguments, json_argument, load_contexts
from wise.commands.editor_needs import editor_needs
from wise.commands.loading import load_model, read_training
from wise.editors.registry import make_editor
from wise.editors.shared.own_texts import completed
from wise.evaluate.overhead import Precision, measure_overhead
from wise.evaluate.stream import shuffled
from wise.files import write_json
from wise.lm.spread import devices_named
from wise.records import read_records
from wise.tracking.run_record import hardware, now, versions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_editing_arguments(parser)
    parser.add_argument("--editors", type=json_argument, required=True, help="JSON of editor name -> options")
    parser.add_argument("--T", type=json_argument, required=True, help="JSON list of edit counts")
    parser.add_argument("--half-width", type=float, default=0.02, help="of the interval of the ratio of times")
    parser.add_argument("--seconds", type=float, default=60.0, help="most seconds of timing for each editor and T")
    parser.add_argument("--out", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Measure one editor after the other on the same edits."""
    lm = load_model(args, args.batch_size, editor_needs(args.editors))
    stream = shuffled(read_records(args.records), max(args.T), args.seed)
    train, contexts = read_training(args.train), load_contexts(args.contexts)
    rows = []
    for name, options in args.editors.items():
        editor = make_editor(name, lm, args.layer, options, contexts, args.seed)
        edits, learned = completed(editor, stream, train)
        editor.prepare(learned)
        rows += measure_overhead(editor, edits, args.T, Precision(args.half_width, args.seconds))
    machine = hardware(devices_named(lm.model), torch.get_num_threads())
    write_json(args.out, {"rows": rows, "hardware": machine, "versions": versions(), "finished": now()})
