"""An editor's memory written to a folder, and read back into an editor; see `wise.memory.folder` for the files."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from wise.editors import layout
from wise.editors.base import Editor
from wise.errors import DataError, WiseError, refusing
from wise.files import atomic_path
from wise.lm.tensor_file import read_tensors
from wise.memory.artifact import use_artifact
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

    Raises `ConfigError` for another editor or model and `DataError` for a folder that is not whole or whose tensors
    are not those of such a memory; what the editor holds then stays, unless only their use shows it.
    """
    saved = read_folder(folder)
    check_fits(editor, saved)
    tensors, edits, where = read_tensors(saved.tensors, editor.lm.device), len(saved.edits), str(saved.tensors)
    artifact = {name.removeprefix(ARTIFACT): tensors.pop(name) for name in [*tensors] if name.startswith(ARTIFACT)}
    parts = editor.layout(edits)
    if parts is not None:
        layout.require(tensors, parts, editor.sizes(edits), editor.site.weight.dtype, where)
    editor.rollback()
    if artifact:
        use_artifact(editor, artifact, f"{where}, artifact")
    try:
        with refusing(f"{where}: no memory that {editor.name} could use on this model", DataError):
            editor.restore(saved.edits, tensors)
    except WiseError as error:
        editor.rollback()
        text = str(error)
        raise DataError(text if text.startswith(where) else f"{where}: {text}") from error
    editor.not_taken = dict(saved.config.get("not_taken", {}))
