"""Tensors in files: safetensors alone, whose header is checked against the size of the file before anything is read."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from wise.documents import refuse_archive, require_file
from wise.errors import DataError


def read_tensors(
    path: str | Path, device: torch.device | str = "cpu", what: str = "file of tensors"
) -> dict[str, Tensor]:
    """All tensors of a file by name; raises `DataError` naming a file that is missing, an archive or not safetensors.

    Pickled files, which can run code, are not read.
    """
    path = Path(path)
    require_file(path, what)
    refuse_archive(path)
    try:
        return load_file(path, device=str(device))
    except (SafetensorError, KeyError, ValueError) as error:  # also a type of numbers that torch lacks
        raise DataError(f"{path}: not a safetensors file ({error})") from error
