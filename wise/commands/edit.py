"""`wise edit`: teach a model new answers and save the memory."""

from __future__ import annotations

import argparse
import inspect
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wise.commands.common import json_options
from wise.documents import read_text
from wise.editors.entries import EDITORS
from wise.errors import ConfigError, DataError, EditNotTaken, WiseError

if TYPE_CHECKING:
    from wise.edited import EditedModel
    from wise.editors.base import EditOutcome
    from wise.records import EditRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, edits, editor, and where the memory goes."""
    parser.add_argument("--model", required=True, help="Hugging Face folder or hub name")
    parser.add_argument("--revision", help="revision of a hub model")
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda:1, spread (all GPUs), ... (default: %(default)s)"
    )
    parser.add_argument("--dtype", default="", help="precision of the weights (default: float32, or the memory's)")
    parser.add_argument("--chat", action="store_true", help="ask in the tokenizer's chat template")
    parser.add_argument("--edits", type=Path, required=True, help='JSONL, a line: {"prompt": "...", "target": "..."}')
    parser.add_argument("--editor", help=f"one of {', '.join(EDITORS)} (default: wise-retrieve)")
    parser.add_argument("--layer", type=int, help="layer whose down-projection is edited, from 0 (default: by depth)")
    parser.add_argument("--options", type=json_options, help="options of the editor, as JSON")
    parser.add_argument(
        "--train",
        type=Path,
        help="what to learn from beside the edits: JSONL of records, or texts, "
        "one a line (default: the model's own samples)",
    )
    parser.add_argument("--artifact", type=Path, help="what an earlier call learned, in place of --train")
    parser.add_argument("--save-artifact", type=Path, help="file for what the editor learned before its edits")
    parser.add_argument("--seed", type=int, help="of every draw of the editor (default: 0)")
    parser.add_argument("--memory", type=Path, help="saved memory to go on from, with its editor and options")
    parser.add_argument("--out", type=Path, required=True, help="folder of the memory")


def run(args: argparse.Namespace) -> int:
    """Edit, save, and say how it went; 1 where no edit took."""
    from wise.edit_files import read_edits
    from wise.memory.folder import require_free

    require_free(args.out)
    if args.memory is not None:
        _refuse_other_settings(args)
    taken = _ids(args.memory) if args.memory is not None else ()
    records = read_edits(args.edits, taken)
    editor = _editor(args)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EditNotTaken)  # printed below, each of them
        outcomes = _made(editor, records, args.out)
    seconds = time.perf_counter() - started
    editor.save_pretrained(args.out)
    if args.save_artifact is not None:
        editor.save_artifact(args.save_artifact)
    print(f"{len(records)} edits in {seconds:.1f} s; {args.out} holds {len(editor.edits)} by {editor.editor.name}")
    return _report(records, outcomes, editor.editor.remedy)


def _made(editor: EditedModel, records: Sequence[EditRecord], out: Path) -> list[EditOutcome]:
    """Make the edits; where one cannot be made, those before it are saved all the same."""
    held = len(editor.edits)
    try:
        return editor.edit(records)
    except WiseError as error:
        if made := len(editor.edits) - held:
            editor.save_pretrained(out)
            raise type(error)(
                f"{error}; {out} holds those before it ({made}): go on with --memory {out}, without them"
            ) from error
        raise


def _report(records: Sequence[EditRecord], outcomes: Sequence[EditOutcome], remedy: str) -> int:
    """Print what was done in the place of what edits did not say, and those that did not take; 1 where none took."""
    failed = 0
    for record, outcome in zip(records, outcomes, strict=True):
        if outcome.note:
            print(f"{record.id}: {outcome.note}")
        if not outcome.took:
            failed += 1
            print(f"{record.id} did not take: {record.prompt!r} is answered {outcome.answer!r}, not {record.target!r}")
    if failed:
        print(f"{failed} of {len(records)} edits did not take. {remedy}")
    return int(failed == len(records))


def _editor(args: argparse.Namespace):
    """The saved memory on its model, or a new editor."""
    import wise

    if named := sorted({*(args.options or {})} & {*inspect.signature(wise.attach).parameters}):
        raise ConfigError(
            f"--options: {', '.join(named)}: no option of an editor; see the other arguments of wise edit"
        )
    if args.memory is not None:
        return wise.load(args.memory, args.model, device=args.device, dtype=args.dtype)
    return wise.attach(
        args.model,
        args.editor or "wise-retrieve",
        layer=args.layer,
        seed=args.seed or 0,
        train=None if args.train is None else _training(args.train),
        artifact=args.artifact,
        revision=args.revision,
        device=args.device,
        dtype=args.dtype or "float32",
        chat=args.chat,
        **(args.options or {}),
    )


def _refuse_other_settings(args: argparse.Namespace) -> None:
    for name in ("editor", "layer", "options", "train", "artifact", "seed"):
        if getattr(args, name) is not None:
            raise ConfigError(f"--{name} is the memory's own when one is continued: leave it out beside --memory")


def _ids(memory: Path) -> set[str]:
    from wise.memory.folder import read_folder

    return {record.id for record in read_folder(memory).edits}


def _training(path: Path) -> list[EditRecord] | list[str]:
    """Records of a file of edits, or the lines of another."""
    from wise.edit_files import read_edits

    return read_edits(path) if path.suffix.lower() in (".jsonl", ".json", ".csv", ".tsv") else _lines(path)


def _lines(path: Path) -> list[str]:
    """The texts of a file, one a line."""
    lines = [line.strip() for line in read_text(path, what="file of texts").splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{path}: holds no texts")
    return lines
