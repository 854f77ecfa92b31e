"""`wise areas`: where the edits of a trained network lie among each other, one vector an edit, for a figure."""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wise.commands.common import add_model_arguments, add_place_arguments, json_options, load_contexts
from wise.commands.editor_needs import editor_needs
from wise.commands.loading import load_model
from wise.editors.mend.editor import Mend
from wise.editors.registry import make_editor
from wise.errors import ConfigError
from wise.files import atomic_path
from wise.memory.artifact import use_artifact_file
from wise.records import read_records

LOG = logging.getLogger(__name__)

BATCH = 64
"""Texts that are read at once."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_model_arguments(parser)
    parser.add_argument("--records", type=Path, required=True, help="JSONL file of edits")
    parser.add_argument("--edits", type=int, required=True, help="how many of them, from the first on")
    add_place_arguments(parser)
    parser.add_argument("--editor", required=True)
    parser.add_argument("--options", type=json_options, default={}, help="JSON of the editor's options")
    parser.add_argument("--artifact", type=Path, required=True, help="what the verb 'prepare' made for this editor")
    parser.add_argument("--out", type=Path, required=True, help="Parquet file to write")


def run(args: argparse.Namespace) -> None:
    """Write one row for each edit: its task, the vector of its update, and that of its bare gradient.

    Both are means over the tokens of an edit, of length 1: of the left factors that the network makes, and of those
    that it is given. What lies apart in the second is not the network's merit. Raises `ConfigError` for an editor
    without such factors.
    """
    lm = load_model(args, BATCH, editor_needs({args.editor: args.options}))
    editor = make_editor(args.editor, lm, args.layer, args.options, load_contexts(args.contexts))
    if not isinstance(editor, Mend):
        raise ConfigError(f"editor '{args.editor}' does not transform gradients; name mend or instructedit")
    use_artifact_file(editor, args.artifact)
    records = read_records(args.records)[: args.edits]
    rows: list[dict[str, Any]] = []
    for record in records:
        made, given = editor.edit_directions(record)
        rows.append({"record": record.id, "task": record.task, "update": made.tolist(), "gradient": given.tolist()})
    table = pa.Table.from_pylist(rows).replace_schema_metadata(
        {"editor": args.editor, "options": json.dumps(asdict(editor.config))}
    )
    with atomic_path(args.out) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    LOG.info("%s: %d edits", args.out, len(rows))
