"""The model that a verb was told to use."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from wise.errors import unknown
from wise.lm.devices import find_devices
from wise.lm.gpu_memory import check_memory
from wise.lm.load import DTYPES, LanguageModel, load_language_model
from wise.records import EditRecord, read_records


def load_model(args: argparse.Namespace, rows: int, needs: Sequence[Callable[[int, int], int]] = ()) -> LanguageModel:
    """Load what the arguments of `add_model_arguments` name, once it is known to fit on the device.

    `rows`: questions asked at once; `needs`: bytes of each editor that the verb edits with, one at a time
    (`wise.commands.editor_needs`). Raises `ConfigError` where it does not fit, see `wise.lm.gpu_memory`.
    """
    if args.dtype not in DTYPES:
        raise unknown("dtype", args.dtype, DTYPES)
    check_memory(args.model, args.revision, find_devices(args.device), args.dtype, rows, needs)
    return load_language_model(args.model, args.revision, args.device, args.dtype, args.chat)


def read_training(path: Path) -> list[EditRecord]:
    """The training records of a dataset; a file that holds none is empty, and editors then learn from own samples."""
    return read_records(path, may_be_empty=True)
