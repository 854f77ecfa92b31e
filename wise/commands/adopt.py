"""`wise adopt`: write the options that searches chose into one file, which configurations name as `tuned`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from wise.config.tuned import Entry, read_tuned, write_tuned
from wise.errors import DataError
from wise.tuning.outcome import Outcome, digest, read_outcome, scored

LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The searches, and the file."""
    parser.add_argument("--searches", type=Path, nargs="+", required=True, help="outcomes that the verb 'tune' wrote")
    parser.add_argument("--out", type=Path, required=True, help="file to write (YAML), such as config/tuned/mine.yaml")


def run(args: argparse.Namespace) -> None:
    """Write the best options of every search; those of which all trials failed are named and left out.

    What else the file holds stays as it is: searches may be made a few at a time.
    """
    before = read_tuned(args.out) if args.out.exists() else {}
    chosen = {dataset: {model: {**found} for model, found in models.items()} for dataset, models in before.items()}
    for path, outcome in zip(args.searches, map(read_outcome, args.searches), strict=True):
        if not isinstance(outcome.search.get("fixed"), dict):
            raise DataError(f"{path}: 'search' must have the key 'fixed', the options that were not searched")
        found = chosen.setdefault(outcome.dataset, {}).setdefault(outcome.model, {})
        found.pop(outcome.editor, None)
        if (entry := _entry(outcome)) is None:
            LOG.warning("%s on %s: every trial failed; it keeps its defaults", outcome.editor, outcome.dataset)
        else:
            found[outcome.editor] = entry
    write_tuned(args.out, chosen)
    LOG.info("%s: options of %d searches", args.out, len(args.searches))


def _entry(outcome: Outcome) -> Entry | None:
    best, default = outcome.best, outcome.by("defaults")
    if best is None:
        return None
    return Entry(
        options={name: value for name, value in best.options.items() if name not in outcome.search["fixed"]},
        digest=digest(outcome.search),
        trials=len(outcome.trials),
        score=round(scored(best), 4),
        default=None if default is None else round(scored(default), 4),
        sensitivity=round(outcome.sensitivity or 0.0, 4),
        seconds=round(outcome.seconds, 1),
        search=outcome.search,
    )
