"""`python -m wise <verb>`: what rules call and what people call.

Each verb is one module of `wise.commands` with `add_arguments(parser)` and `run(args)`. Only
the verb that was asked for is imported, so scoring and tracking start without loading torch.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys

from wise.errors import WiseError, unknown

VERBS = {
    "data": "make or check a dataset",
    "pretrain": "train the embedded language model on a corpus",
    "knowledge": "report what a model knows before any edit",
    "contexts": "let the model write the random prefixes that augment edit prompts",
    "preedit": "ask the unedited model every question of a dataset",
    "edit": "apply a stream of edits with one editor and ask after every T of them",
    "overhead": "measure what an editor costs in parameters, memory and time",
    "score": "turn a transcript into one score per example and metric",
    "track": "write run records and scores to MLflow",
}


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit status (2 for an error that the user can mend)."""
    argv = sys.argv[1:] if argv is None else argv
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    parser = argparse.ArgumentParser(prog="wise", description="Lifelong editing of language models, reproducibly.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    asked = next((word for word in argv if not word.startswith("-")), None)
    try:
        if asked is not None and asked not in VERBS:
            raise unknown("verb", asked, VERBS)
        for verb, help_text in VERBS.items():
            subparser = verbs.add_parser(verb, help=help_text, description=help_text.capitalize() + ".")
            if verb == asked:
                command = importlib.import_module(f"wise.commands.{verb}")
                command.add_arguments(subparser)
                subparser.set_defaults(command=command.run)
        args = parser.parse_args(argv)
        return args.command(args) or 0
    except (WiseError, OSError) as error:  # a full disk or a file that cannot be read speaks for itself
        logging.getLogger("wise").error("%s", error)
        return 2
