"""`wise inspect`: what a saved memory holds, without its base model."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from pathlib import Path

from safetensors import safe_open

from wise.errors import DataError, refusing
from wise.memory.folder import SavedMemory, read_folder

ROWS = 20
"""Memories that are listed; a codebook may have thousands."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder."""
    parser.add_argument("memory", type=Path, help="folder of a saved memory")
    parser.add_argument("--edits", action="store_true", help="list the edits, too")


def run(args: argparse.Namespace) -> None:
    """Print what config.json and the headers of the tensors say."""
    saved = read_folder(args.memory)
    config, base = saved.config, saved.config["base"]
    print(f"{'editor':<10} {config['editor']}, layer {config['layer']} ({config['site']}), seed {config['seed']}")
    print(f"{'options':<10} {json.dumps(config['options'])}")
    shape = " x ".join(map(str, base["shape"]))
    print(f"{'base':<10} {base['name']}, matrix {shape} in {base['dtype']}, sha256 {base['sha256'][:12]}")
    failed = config.get("not_taken", {})
    print(f"{'edits':<10} {len(saved.edits)}" + (f", {len(failed)} of which did not take" if failed else ""))
    _print_memories(config["memories"])
    for part, size in _sizes(saved).items():
        print(f"{'tensors':<10} {part:<14} {size / 2**20:9.3f} MiB")
    if args.edits:
        for record in saved.edits:
            answered = f"\tdid not take: {failed[record.id]}" if record.id in failed else ""
            print(f"{record.id}\t{record.prompt}\t{record.target}{answered}")


def _print_memories(memories: list[dict]) -> None:
    for entry in memories[:ROWS]:
        threshold = "" if entry["threshold"] is None else f", threshold {entry['threshold']:.4g}"
        print(f"{'memory':<10} {entry['memory']:<10} answers {entry['edits']} edits{threshold}")
    if len(memories) > ROWS:
        print(f"{'memory':<10} and {len(memories) - ROWS} more")


def _sizes(saved: SavedMemory) -> dict[str, int]:
    """Bytes of the tensors, those of all memories ("shard0.left", "shard1.mask", ...) together."""
    sizes: Counter[str] = Counter()
    where = f"{saved.tensors}: not a safetensors file"
    with refusing(where, DataError), safe_open(saved.tensors, framework="numpy") as tensors:
        for name in tensors.keys():
            part = tensors.get_slice(name)
            sizes[name.split(".")[0].rstrip("0123456789")] += math.prod(part.get_shape()) * _width(part.get_dtype())
    return dict(sizes)


def _width(dtype: str) -> int:
    """Bytes of one number of a safetensors type, such as F32, BF16, I64, U8, F8_E4M3 or BOOL."""
    digits = "".join(letter for letter in dtype.split("_")[0] if letter.isdigit())
    return int(digits) // 8 if digits else 1
