"""`wise stream`: one editor over the whole stream of one seed; transcript, run record and memory."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import torch

from wise.code_inputs import editor_code
from wise.commands.common import (
    add_editing_arguments,
    add_slice_arguments,
    json_argument,
    json_options,
    load_contexts,
    slice_of,
)
from wise.commands.editor_needs import editor_needs
from wise.commands.loading import load_model, read_training
from wise.editors.base import Editor
from wise.editors.registry import make_editor
from wise.editors.shared.own_texts import completed
from wise.errors import ConfigError
from wise.evaluate.ask import before_by_question
from wise.evaluate.checkpoint import Checkpoints, writing
from wise.evaluate.competence import left_out
from wise.evaluate.fluency import ASKED_OF
from wise.evaluate.free import generation_settings
from wise.evaluate.grid import plan_runs
from wise.evaluate.stream import ON_NAN, Stream, shuffled
from wise.evaluate.transcript import read_transcript, write_transcript
from wise.files import sha256, write_json
from wise.lm.load import weights_digest
from wise.lm.peak_memory import peak_memory
from wise.lm.spread import devices_named
from wise.lm.vocabulary import require_writable
from wise.memory.artifact import use_artifact_file
from wise.memory.store import save
from wise.records import EDIT_INDEX, read_records
from wise.slices import taken
from wise.tracking.run_record import RUN_SCHEMA, edit_cost, hardware, now, versions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_editing_arguments(parser)
    parser.add_argument("--editor", required=True)
    parser.add_argument("--options", type=json_options, default={}, help="JSON of the editor's options")
    parser.add_argument("--artifact", type=Path, help="what the verb 'prepare' made for this editor")
    parser.add_argument("--preedit", type=Path, required=True, help="the unedited model's answers")
    parser.add_argument("--edits", type=int, required=True, help="how many records the stream has")
    add_slice_arguments(parser)
    parser.add_argument("--grid", type=json_argument, required=True, help='JSON of T -> chunks, such as {"10": 8}')
    parser.add_argument("--generate", action="store_true", help="ask for free answers to the edit prompts as well")
    parser.add_argument(
        "--fluency", choices=ASKED_OF, default="none", help="edits behind whose prompts a longer text is written"
    )
    parser.add_argument("--oracle", action="store_true", help="also ask the memory that holds each edit")
    parser.add_argument("--dataset", required=True, help="name of the dataset, for the run record")
    parser.add_argument("--model-name", required=True, help="name of the model, for the run record")
    parser.add_argument("--kind", default="stream", help="which edits of the dataset these are, for the run record")
    parser.add_argument("--tuned", default="", help="digest of the search that chose the options, for the run record")
    parser.add_argument("--out", type=Path, required=True, help="folder for transcript.parquet, run.json, memory/")
    parser.add_argument("--checkpoint", type=Path, help="folder of checkpoints, from which a killed job goes on")
    parser.add_argument("--checkpoint-every", type=int, default=50, help="edits between them (default: %(default)s)")
    parser.add_argument(
        "--on-nan", choices=ON_NAN, default="fail", help="an edit whose loss is not finite (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> None:
    """Edit and ask through the whole grid."""
    started = now()
    grid = {int(T): chunks for T, chunks in args.grid.items()}
    runs = plan_runs(grid, args.edits)
    held = read_records(args.records)
    part = slice_of(args)
    records = taken(held, part)
    if len(records) < args.edits:
        where = args.records if part is None else f"slice {part.index} of {args.records}"
        raise ConfigError(f"{where}: holds {len(records)} records, {args.edits} edits are asked for")
    lm = load_model(args, args.batch_size, editor_needs({args.editor: args.options}))
    require_writable(lm, records[: args.edits])
    editor = make_editor(args.editor, lm, args.layer, args.options, load_contexts(args.contexts), args.seed)
    if args.artifact is not None:
        use_artifact_file(editor, args.artifact)
    records, train = completed(editor, records[: args.edits], read_training(args.train))
    editor.prepare(train)
    preedit = read_transcript(args.preedit)
    before = before_by_question(preedit)
    unasked = [record.id for record in records[: args.edits] if (record.id, EDIT_INDEX) not in before]
    if unasked:
        raise ConfigError(
            f"{args.preedit}: lacks {len(unasked)} of the {args.edits} edits, the first is '{unasked[0]}'"
        )
    edits = shuffled(records, args.edits, args.seed)
    digests = {"dataset_sha256": sha256(args.records), "model_sha256": weights_digest(lm)}
    described = None if part is None else part.described(len(held))
    checkpoints = _checkpoints(args, editor, grid, digests)
    asking = args.batch_size, args.generate, args.fluency, args.oracle
    stream = Stream(editor, edits, before, *asking, args.on_nan, checkpoints, started)
    stream.carry_out(runs)
    with writing(args.out):
        save(editor, args.out / "memory")
        write_transcript(args.out / "transcript.parquet", stream.rows)
        record = _record(args, stream, grid, digests, described) | {"left_out": left_out(preedit)}
        write_json(args.out / "run.json", record)
    if checkpoints is not None:
        checkpoints.remove()


def _checkpoints(
    args: argparse.Namespace, editor: Editor, grid: dict[int, int], digests: dict[str, str]
) -> Checkpoints | None:
    """Where the job writes checkpoints; they are used only by one with the same results."""
    if args.checkpoint is None or not args.checkpoint_every:
        return None
    if args.checkpoint_every < 0:
        raise ConfigError(f"--checkpoint-every is {args.checkpoint_every}; give a number of edits, or 0 for none")
    files = {"train": args.train, "contexts": args.contexts, "preedit": args.preedit, "artifact": args.artifact}
    job = {
        "editor": editor.name,
        "seed": args.seed,
        "layer": editor.layer,
        "edits": args.edits,
        "slice": [args.slice, args.slice_size],
        "grid": grid,
        "batch_size": args.batch_size,
        "generate": args.generate,
        "fluency": args.fluency,
        "oracle": args.oracle,
        "dtype": args.dtype,
        "chat": args.chat,
        "versions": versions(),
        "code": editor_code("stream", editor.name),
    }
    job |= {f"{name}_sha256": path and sha256(path) for name, path in files.items()}
    job |= {f"option {name}": value for name, value in asdict(editor.config).items()}
    return Checkpoints(args.checkpoint, args.checkpoint_every, job | digests)


def _record(
    args: argparse.Namespace, stream: Stream, grid: dict[int, int], digests: dict[str, str], part: dict | None
) -> dict:
    """The run record, see `wise.tracking.run_record`; `part` describes the slice of the records that was edited."""
    editor = stream.editor
    parameters = sum(p.numel() for p in editor.lm.model.parameters())
    return {
        "schema": RUN_SCHEMA,
        "kind": "edit",
        "dataset": args.dataset,
        "model": args.model_name,
        **digests,
        "editor": editor.name,
        "seed": args.seed,
        "layer": editor.layer,
        "edits": args.edits,
        "slice": part,
        "grid": grid,
        "generation": generation_settings(args.generate, args.fluency),
        "options": asdict(editor.config),
        "records": args.kind,
        "tuned": args.tuned,
        "measured": editor.measured(),
        "started": stream.started,
        "finished": now(),
        "versions": versions(),
        "hardware": hardware(devices_named(editor.lm.model), torch.get_num_threads()),
        "cost": edit_cost(
            stream.curve, stream.probe_seconds, editor.extra_parameters(), parameters, peak_memory(editor.lm.device)
        ),
        "failed_edits": stream.failed(),
        "curve": stream.curve,
    }
