"""Arguments and loading that several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wise.documents import parse_json, read_object
from wise.errors import ConfigError, DataError, shown
from wise.slices import Slice


def json_argument(text: str) -> Any:
    """An argument that is JSON; argparse reports what is wrong with it."""
    try:
        return parse_json(text, shown(text))
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def json_options(text: str) -> dict[str, Any]:
    """An argument that is a JSON object of options by their names."""
    found = json_argument(text)
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f'{shown(text)}: expected options by their names, such as {{"lr": 0.1}}')
    return found


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, in which precision, where."""
    parser.add_argument("--model", required=True, help="Hugging Face folder or hub name")
    parser.add_argument("--revision", help="revision of a hub model")
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda:1, spread (all GPUs), ... (default: %(default)s)"
    )
    parser.add_argument("--dtype", default="float32", help="precision of the weights (default: %(default)s)")
    parser.add_argument("--chat", action="store_true", help="ask every prompt in the tokenizer's chat template")


def add_place_arguments(parser: argparse.ArgumentParser) -> None:
    """Where a model is edited, and behind which prefixes."""
    parser.add_argument("--contexts", type=Path, required=True, help="random prefixes, from the verb 'contexts'")
    parser.add_argument("--layer", type=int, help="layer whose down-projection is edited, from 0 (default: by depth)")


def add_editing_arguments(parser: argparse.ArgumentParser) -> None:
    """What every verb needs that edits a model."""
    add_model_arguments(parser)
    parser.add_argument("--records", type=Path, required=True, help="JSONL file of edits")
    parser.add_argument(
        "--train", type=Path, required=True, help="JSONL file of training records that prepare an editor"
    )
    add_place_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="order of edits and every draw of the editor")
    parser.add_argument("--batch-size", type=int, default=64, help="questions asked at once (default: %(default)s)")


def add_slice_arguments(parser: argparse.ArgumentParser) -> None:
    """Which part of the records a seed edits; see `wise.slices`."""
    parser.add_argument("--slice", type=int, help="edit this slice of the records, from 0 (default: the first records)")
    parser.add_argument("--slice-size", type=int, help="records of a slice")


def slice_of(args: argparse.Namespace) -> Slice | None:
    """The slice that the arguments name, if they do. Raises `ConfigError` for half of it or numbers that are none."""
    if args.slice is None and args.slice_size is None:
        return None
    if args.slice is None or args.slice_size is None or args.slice < 0 or args.slice_size < 1:
        raise ConfigError("--slice (from 0) and --slice-size (from 1) belong together")
    return Slice(args.slice, args.slice_size)


def load_contexts(path: Path) -> list[str]:
    """The texts that the verb `contexts` wrote."""
    texts = read_object(path, ["contexts"])["contexts"]
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ConfigError(f"{path}: 'contexts' must be a list of texts, none of them empty")
    return texts


def add_memory_arguments(parser: argparse.ArgumentParser) -> None:
    """What every verb needs that answers with a saved memory."""
    parser.add_argument("--memory", type=Path, required=True, help="folder of a saved memory")
    add_base_arguments(parser)


def add_base_arguments(parser: argparse.ArgumentParser) -> None:
    """Which base model, in which precision, where; by default as the memory says."""
    parser.add_argument("--model", help="base model (default: the one that the memory names)")
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda:1, spread (all GPUs), ... (default: %(default)s)"
    )
    parser.add_argument("--dtype", default="", help="precision of the weights (default: as the memory was made)")
