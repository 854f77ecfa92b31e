"""An editor's memory written to a folder, and read back into an editor; see `wise.memory.folder` for the files."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from wise.editors.base import Editor
from wise.errors import DataError
from wise.files import atomic_path
from wise.memory.folder import read_folder, write_folder
from wise.memory.manifest import check_fits, describe
from wise.memory.model_card import memory_card

ARTIFACT = "artifact."
"""Prefix of the names of an artifact's tensors in the file, so that editing goes on wherever the memory is loaded."""


def save(editor: Editor, folder: str | Path) -> None:
    """Write the memory of `editor` to `folder`; it belongs to this base model alone."""

    def write_tensors(path: Path) -> None:
        tensors = editor.memory() | {f"{ARTIFACT}{name}": tensor for name, tensor in editor.prepared.items()}
        with atomic_path(path) as temporary:
            save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, temporary)

    config = describe(editor)
    write_folder(folder, config, editor.edits, memory_card(config), write_tensors)


def load_into(editor: Editor, folder: str | Path) -> None:
    """Make `editor` hold the memory that one of the same kind, options and layer saved on the same base model.

    Raises `ConfigError` for another editor or model and `DataError` for a folder that is not whole; what the editor
    holds then stays.
    """
    saved = read_folder(folder)
    check_fits(editor, saved)
    try:
        tensors = load_file(saved.tensors, device=str(editor.lm.device))
    except SafetensorError as error:
        raise DataError(f"{saved.tensors}: not a safetensors file ({error})") from error
    editor.rollback()
    artifact = {name.removeprefix(ARTIFACT): tensors.pop(name) for name in [*tensors] if name.startswith(ARTIFACT)}
    if artifact:
        editor.use_artifact(artifact)
    editor.restore(saved.edits, tensors)
    editor.not_taken = dict(saved.config.get("not_taken", {}))
