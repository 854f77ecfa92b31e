"""`wise tune`: search one editor's options on development edits, never on those that are reported."""

from __future__ import annotations

import argparse
import logging
from functools import cache
from pathlib import Path

from wise.code_inputs import editor_code
from wise.commands.common import add_model_arguments, add_place_arguments, json_argument, json_options, load_contexts
from wise.commands.editor_needs import editor_needs
from wise.commands.loading import load_model, read_training
from wise.editors.own_units import Measures
from wise.editors.registry import editor_class
from wise.errors import ConfigError
from wise.files import sha256
from wise.lm.architectures import find_site
from wise.lm.load import weights_digest
from wise.lm.vocabulary import require_writable
from wise.records import read_records
from wise.tail.tail import Tail
from wise.tuning.candidates import Candidates
from wise.tuning.identity import identity, short
from wise.tuning.outcome import Budget, Outcome, digest, write_outcome
from wise.tuning.search import search
from wise.tuning.trial import Bench

LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_model_arguments(parser)
    parser.add_argument("--records", type=Path, required=True, help="JSONL file of development edits")
    parser.add_argument("--train", type=Path, required=True, help="JSONL file of training records")
    add_place_arguments(parser)
    parser.add_argument("--editor", required=True)
    parser.add_argument("--options", type=json_options, default={}, help="JSON of options that are not searched")
    parser.add_argument(
        "--tuning", type=json_argument, required=True, help="JSON of the budget: trials, edits, grid, ..."
    )
    parser.add_argument("--batch-size", type=int, default=64, help="questions asked at once (default: %(default)s)")
    parser.add_argument("--dataset", required=True, help="name of the dataset, for the outcome")
    parser.add_argument("--model-name", required=True, help="name of the model, for the outcome")
    parser.add_argument("--trials", type=Path, required=True, help="SQLite file of trials, from which a search goes on")
    parser.add_argument("--out", type=Path, required=True, help="outcome to write (JSON)")


def run(args: argparse.Namespace) -> None:
    """Make all trials that are not in the file yet, and write what was found."""
    budget = Budget.of(args.tuning)
    records = read_records(args.records)
    if budget.tasks:
        records = [record for record in records if record.task in budget.tasks]
    if len(records) < budget.edits:
        of = f" of the tasks {', '.join(budget.tasks)}" if budget.tasks else ""
        raise ConfigError(f"{args.records}: holds {len(records)} records{of}, tuning.edits asks for {budget.edits}")
    records = records[: budget.edits]
    kind = editor_class(args.editor)
    lm = load_model(args, args.batch_size, editor_needs({args.editor: args.options}))
    require_writable(lm, records)
    layer = kind.usual_layer(lm) if args.layer is None else args.layer

    @cache
    def measures(at: int) -> Measures:
        return Measures(Tail(lm, find_site(lm.model, at)))

    layers = (layer, *(other for other in budget.layers if other != layer)) if budget.layers else (layer,)
    candidates = Candidates(kind.Config, args.options, layers, measures)
    described = identity(budget, kind.Config, args.options, args.layer) | {
        "development": short(sha256(args.records)),
        "train": short(sha256(args.train)),
        "contexts": short(sha256(args.contexts)),
        "model": short(weights_digest(lm)),
        "code": short(editor_code("tune", args.editor)),
    }
    bench = Bench(
        lm, args.editor, layer, records, read_training(args.train), load_contexts(args.contexts), budget.grid,
        budget.seed, args.batch_size,
    )  # fmt: skip
    trials = search(candidates, bench.attempt, budget.trials, budget.seed, args.trials, digest(described))
    outcome = Outcome(args.dataset, args.model_name, args.editor, described, trials)
    if outcome.best is None:
        LOG.warning("all %d trials failed, the last one with: %s", len(trials), trials[-1].message)
    write_outcome(args.out, outcome)
