"""Artifacts in files: what an editor learned before its edits, such as second moments or a trained network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from wise.editors.base import Editor
from wise.errors import ConfigError, DataError
from wise.files import atomic_path


def write_artifact(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Write an artifact as safetensors, atomically."""
    with atomic_path(Path(path)) as temporary:
        save_file({name: tensor.contiguous().cpu().clone() for name, tensor in tensors.items()}, temporary)


def use_artifact_file(editor: Editor, path: str | Path) -> None:
    """Give an editor the artifact of a file.

    Raises `ConfigError` for an editor that needs none and for an artifact of another editor, model or other
    options, and `DataError` for a file that is missing or damaged.
    """
    if editor.artifact is None:
        raise ConfigError(f"{path}: {editor.name} needs no artifact")
    if not Path(path).is_file():
        raise DataError(f"{path}: no such artifact")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise DataError(f"{path}: not a safetensors file ({error})") from error
    try:
        editor.use_artifact(tensors)
    except (KeyError, RuntimeError, TypeError) as error:
        raise ConfigError(f"{path}: no artifact that {editor.name} could use on this model ({error})") from error
