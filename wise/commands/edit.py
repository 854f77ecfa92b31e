"""`wise edit`: teach a model new answers and save the memory."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from wise.commands.common import json_argument
from wise.editors.entries import EDITORS
from wise.errors import ConfigError, DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, edits, editor, and where the memory goes."""
    parser.add_argument("--model", required=True, help="Hugging Face folder or hub name")
    parser.add_argument("--revision", help="revision of a hub model")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: %(default)s)")
    parser.add_argument("--dtype", default="", help="precision of the weights (default: float32, or the memory's)")
    parser.add_argument("--chat", action="store_true", help="ask in the tokenizer's chat template")
    parser.add_argument("--edits", type=Path, required=True, help='JSONL, a line: {"prompt": "...", "target": "..."}')
    parser.add_argument("--editor", help=f"one of {', '.join(EDITORS)} (default: wise-retrieve)")
    parser.add_argument("--layer", type=int, help="layer whose down-projection is edited, from 0 (default: by depth)")
    parser.add_argument("--options", type=json_argument, help="options of the editor, as JSON")
    parser.add_argument("--irrelevant", type=Path, help="texts to leave alone, one a line (default: the model's own)")
    parser.add_argument("--seed", type=int, help="of every draw of the editor (default: 0)")
    parser.add_argument("--memory", type=Path, help="saved memory to go on from, with its editor and options")
    parser.add_argument("--out", type=Path, required=True, help="folder of the memory")


def run(args: argparse.Namespace) -> None:
    """Edit, save, and say how it went."""
    from wise.edit_files import read_edits

    if args.memory is not None:
        _refuse_other_settings(args)
    taken = _ids(args.memory) if args.memory is not None else ()
    records = read_edits(args.edits, taken)
    if args.out.exists() and not args.out.is_dir():
        raise ConfigError(f"{args.out}: is a file; the memory needs a folder")
    editor = _editor(args)
    started = time.perf_counter()
    editor.edit(records)
    seconds = time.perf_counter() - started
    editor.save_pretrained(args.out)
    print(f"{len(records)} edits in {seconds:.1f} s; {args.out} holds {len(editor.edits)} by {editor.editor.name}")


def _editor(args: argparse.Namespace):
    """The saved memory on its model, or a new editor."""
    import wise

    if args.memory is not None:
        return wise.load(args.memory, args.model, device=args.device, dtype=args.dtype)
    return wise.attach(
        args.model,
        args.editor or "wise-retrieve",
        layer=args.layer,
        seed=args.seed or 0,
        irrelevant=None if args.irrelevant is None else _lines(args.irrelevant),
        revision=args.revision,
        device=args.device,
        dtype=args.dtype or "float32",
        chat=args.chat,
        **(args.options or {}),
    )


def _refuse_other_settings(args: argparse.Namespace) -> None:
    for name in ("editor", "layer", "options", "irrelevant", "seed"):
        if getattr(args, name) is not None:
            raise ConfigError(f"--{name} is the memory's own when one is continued: leave it out beside --memory")


def _ids(memory: Path) -> set[str]:
    from wise.memory.folder import read_folder

    return {record.id for record in read_folder(memory).edits}


def _lines(path: Path) -> list[str]:
    """The texts of a file, one a line."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{path}: holds no texts")
    return lines
