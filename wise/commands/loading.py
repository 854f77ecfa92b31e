"""The model that a verb was told to use."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from wise.errors import unknown
from wise.lm.gpu_memory import check_memory
from wise.lm.load import DTYPES, LanguageModel, find_device, load_language_model


def load_model(
    args: argparse.Namespace, rows: int, editors: Mapping[str, Mapping[str, Any]] | None = None
) -> LanguageModel:
    """Load what the arguments of `add_model_arguments` name, once it is known to fit on the device.

    `rows`: questions asked at once; `editors`: name -> options of those that the verb edits with, one at a time.
    Raises `ConfigError` where it does not fit, see `wise.lm.gpu_memory`.
    """
    if args.dtype not in DTYPES:
        raise unknown("dtype", args.dtype, DTYPES)
    check_memory(args.model, args.revision, find_device(args.device), args.dtype, rows, editors or {})
    return load_language_model(args.model, args.revision, args.device, args.dtype, args.chat)
