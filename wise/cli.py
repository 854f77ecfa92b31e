"""`python -m wise <verb>`: what rules call and what people call.

Each verb is one module of `wise.commands` with `add_arguments(parser)` and `run(args)`. Only
the verb that was asked for is imported, so scoring and tracking start without loading torch.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

from safetensors import SafetensorError

from wise.errors import WiseError, is_short_of_memory, one_line, short_of_memory, unknown
from wise.files import check_seals, seal

VERBS = {
    "edit": "teach a model new answers and save the memory",
    "ask": "ask an edited model, and the unedited one beside it",
    "evaluate": "score a saved memory on its own edits or on other records",
    "inspect": "describe a saved memory",
    "undo": "take the last shard or all edits out of a saved memory",
    "export": "merge a memory into a plain checkpoint",
    "ls": "list editors, datasets, metrics or models",
    "parity": "replay golden runs in the released convention and compare every number",
    "benchmark": "measure what an edit and a question cost, as ratios in one run",
    "check": "check configuration files of the workflow, down to every editor's options",
    "data": "make or check a dataset",
    "convert": "turn a model in GGUF format into a folder",
    "fetch": "copy a model from the hub into a folder",
    "pretrain": "train the embedded language model on a corpus",
    "knowledge": "report what a model knows before any edit",
    "contexts": "let the model write the random prefixes that augment edit prompts",
    "preedit": "ask the unedited model every question of a dataset",
    "prepare": "make what an editor needs beside the edits, once for all seeds",
    "instruct": "choose the sentences of instructions by trial editors on development edits",
    "areas": "write where the edits of a trained network lie among each other",
    "tune": "search an editor's options on development edits",
    "adopt": "write the options that searches chose into the file that a configuration names",
    "stream": "apply a stream of edits with one editor and ask after every T of them",
    "overhead": "measure what an editor costs in parameters, memory and time",
    "trace": "find out which layers carry what the unedited model knows",
    "score": "turn a transcript into one score per example and metric",
    "track": "write run records and scores to MLflow",
}
"""First the verbs for people, then those that the rules of the workflow call."""


SEALED = frozenset(
    ("convert", "fetch", "pretrain", "contexts", "preedit", "prepare", "areas", "tune", "instruct", "stream",
     "overhead", "trace", "score")
)  # fmt: skip
"""Verbs whose `--out` later jobs read, which then refuse it when it was damaged; `data make` does it by itself."""

WRITTEN = ("out", "report", "checkpoint", "trials", "artifacts")
"""Arguments that name what a verb writes."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: {one_line(message)}; see {self.prog} --help\n")


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit status (2 for an error that the user can mend)."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        print("wise VERB ..., where VERB is one of")
        print(*(f"  {verb:<10} {text}" for verb, text in VERBS.items()), sep="\n")
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    parser = Parser(prog="wise", description="Lifelong editing of language models, reproducibly.")
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
        check_inputs(args)
        status = args.command(args) or 0
        if asked in SEALED:
            seal(args.out)
        return status
    except BrokenPipeError:  # whoever reads, such as head, has enough; nothing is left to be flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (WiseError, OSError, SafetensorError) as error:  # a full disk or an unreadable file speaks for itself
        logging.getLogger("wise").error("%s", one_line(str(error)))
        return 2
    except (MemoryError, RuntimeError) as error:
        if not is_short_of_memory(error):
            raise
        logging.getLogger("wise").error("%s, or a smaller batch_size", short_of_memory(error))
        return 2


def check_inputs(args: argparse.Namespace) -> None:
    """Raise `DataError` for an argument that names a file or folder which was damaged since a job made it."""
    for name, value in vars(args).items():
        if name not in WRITTEN:
            for path in value if isinstance(value, list) else [value]:
                if isinstance(path, Path) or (name == "model" and path is not None):
                    check_seals(path)
