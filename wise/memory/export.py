"""Out of the project: a memory merged into a plain checkpoint, and a saved memory on a model hub."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from torch import nn

from wise.editors.base import Editor
from wise.editors.mechanisms.layers import MatricesEditor
from wise.editors.mechanisms.weight import WeightEditor
from wise.errors import ConfigError
from wise.files import write_text
from wise.lm.architectures import Site
from wise.memory.model_card import LOST, NOTHING_LOST, checkpoint_card

IN_WEIGHTS = (WeightEditor, MatricesEditor)
"""Editors whose memory is nothing but other values of matrices."""


def merged_weights(editor: Editor) -> dict[Site, nn.Parameter]:
    """The matrices of a plain model that always answers from the one memory of `editor`, by where they belong.

    Raises `ConfigError` for an editor without edits, with several memories, or whose memory is no matrix.
    """
    if not editor.edits:
        raise ConfigError(f"{editor.name} has made no edits: there is nothing to merge")
    if isinstance(editor, IN_WEIGHTS):  # while the editor is attached, the matrices are the edited ones
        return {site: site.parameter(site.weight.detach().clone()) for site in editor.sites}
    if not hasattr(editor, "merged_delta"):
        raise ConfigError(f"{editor.name} keeps no matrix that could be merged; of the editors with a router, "
                          "wise-merge does")  # fmt: skip
    delta = editor.merged_delta()  # (d, f)
    with editor.unedited():
        merged = editor.site.weight.detach() + delta  # in the wider of the two precisions
    return {editor.site: editor.site.parameter(merged)}


def what_is_lost(editor: Editor) -> str:
    """What the plain model gives up beside the edited one, in words."""
    return NOTHING_LOST if isinstance(editor, IN_WEIGHTS) else LOST


def write_checkpoint(
    editor: Editor, weights: Mapping[Site, nn.Parameter], config: Mapping[str, Any], lost: str, folder: str | Path
) -> None:
    """Write the unedited model with `weights` where they belong, its tokenizer and a model card to `folder`.

    The folder appears when it is whole. Raises `ConfigError` where it exists and holds something.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists and is not empty; name a new folder for the checkpoint")
    folder.parent.mkdir(parents=True, exist_ok=True)
    lm = editor.lm
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
        new = Path(name) / folder.name
        with editor.unedited():
            original = {site: site.module.weight for site in weights}
            try:
                put(weights)
                lm.model.save_pretrained(new)
            finally:
                put(original)
        lm.tokenizer.save_pretrained(new)
        write_text(new / "README.md", checkpoint_card(config, lost))
        os.replace(new, folder)  # an empty folder gives way


def put(weights: Mapping[Site, nn.Parameter]) -> None:
    """Make each parameter the matrix of its site."""
    for site, parameter in weights.items():
        site.module.weight = parameter


def push_folder(save: Callable[[Path], None], repo_id: str, private: bool, token: str | None) -> str:
    """Upload the folder that `save` writes to the model repository `repo_id`; returns the repository's address.

    Raises `ConfigError` where `private` is asked and the repository is public already.
    """
    hub = HfApi(token=token)
    with tempfile.TemporaryDirectory() as name:
        save(Path(name))
        address = hub.create_repo(repo_id, private=private, exist_ok=True)
        if private and not hub.repo_info(repo_id).private:
            raise ConfigError(f"{repo_id} is public: make it private first, or push with private=False")
        hub.upload_folder(repo_id=repo_id, folder_path=name, commit_message="A memory of edits")
    return str(address)
