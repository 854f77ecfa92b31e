"""`wise prepare`: what an editor needs beside the edits (statistics, networks), made once for all seeds and T."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from safetensors.torch import save_file

from wise.commands.common import add_model_arguments, add_place_arguments, json_options, load_contexts
from wise.commands.editor_needs import editor_needs
from wise.commands.loading import load_model, read_training
from wise.editors.registry import make_editor
from wise.editors.shared.own_texts import training_records
from wise.errors import ConfigError
from wise.files import atomic_path

LOG = logging.getLogger(__name__)

BATCH = 64
"""Texts that are read at once while an artifact is made."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_model_arguments(parser)
    parser.add_argument("--train", type=Path, required=True, help="JSONL of training records, never the edit stream")
    add_place_arguments(parser)
    parser.add_argument("--editor", required=True)
    parser.add_argument("--options", type=json_options, default={}, help="JSON of the editor's options")
    parser.add_argument("--out", type=Path, required=True, help="artifact to write (safetensors)")


def run(args: argparse.Namespace) -> None:
    """Make one artifact."""
    started = time.perf_counter()
    lm = load_model(args, BATCH, editor_needs({args.editor: args.options}))
    editor = make_editor(args.editor, lm, args.layer, args.options, load_contexts(args.contexts))
    if editor.artifact is None:
        raise ConfigError(f"editor '{args.editor}' needs no artifact")
    tensors = editor.make_artifact(training_records(lm, read_training(args.train)))
    with atomic_path(args.out) as temporary:
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, temporary)
    LOG.info("%s: %d tensors in %.1f s", args.out, len(tensors), time.perf_counter() - started)
