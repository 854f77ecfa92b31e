"""The model that a verb was told to use."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from wise.editors.registry import editor_class
from wise.errors import unknown
from wise.lm.gpu_memory import check_memory
from wise.lm.load import DTYPES, LanguageModel, find_device, load_language_model
from wise.options import build_options
from wise.records import EditRecord, read_records


def load_model(
    args: argparse.Namespace, rows: int, editors: Mapping[str, Mapping[str, Any]] | None = None
) -> LanguageModel:
    """Load what the arguments of `add_model_arguments` name, once it is known to fit on the device.

    `rows`: questions asked at once; `editors`: name -> options of those that the verb edits with, one at a time.
    Raises `ConfigError` where it does not fit, see `wise.lm.gpu_memory`.
    """
    if args.dtype not in DTYPES:
        raise unknown("dtype", args.dtype, DTYPES)
    needs = [partial(_need, *editor) for editor in (editors or {}).items()]
    check_memory(args.model, args.revision, find_device(args.device), args.dtype, rows, needs)
    return load_language_model(args.model, args.revision, args.device, args.dtype, args.chat)


def _need(name: str, options: Mapping[str, Any], width: int, inner: int) -> int:
    """Bytes of one editor, see `Editor.memory_need`."""
    kind = editor_class(name)
    return kind.memory_need(build_options(kind.Config, options, f"options of editor '{name}'"), width, inner)


def read_training(path: Path) -> list[EditRecord]:
    """The training records of a dataset; a file that holds none is empty, and editors then learn from own samples."""
    return [] if path.exists() and not path.stat().st_size else read_records(path)
