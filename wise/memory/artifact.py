"""Artifacts in files: what an editor learned before its edits, such as second moments or a trained network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from wise.editors import layout
from wise.editors.base import Editor
from wise.errors import ConfigError, DataError, WiseError, refusing
from wise.files import atomic_path
from wise.lm.tensor_file import read_tensors


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
    use_artifact(editor, read_tensors(path, what="artifact"), str(path))


def use_artifact(editor: Editor, tensors: dict[str, Tensor], where: str) -> None:
    """Give an editor the tensors of an artifact, as its layout has them.

    Raises `DataError` and `ConfigError`, which open with `where`, for others.
    """
    parts = editor.artifact_layout()
    try:
        if parts is not None:
            layout.require(tensors, parts, editor.sizes(), editor.site.weight.dtype, where)
        elif not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise DataError(f"{where}: holds numbers that are not finite")
        with refusing(f"{where}: no artifact that {editor.name} could use on this model", ConfigError):
            editor.use_artifact(tensors)
    except WiseError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(where) else f"{where}: {text}") from error
