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
from wise.errors import ConfigError
from wise.files import make_readable, write_text
from wise.lm.architectures import Site, require_matrix
from wise.memory.model_card import LOST, NOTHING_LOST, checkpoint_card


def merged_weights(editor: Editor) -> dict[Site, nn.Parameter]:
    """See `Editor.merged`; raises `ConfigError` as it does, and for an editor without edits."""
    if not editor.edits:
        raise ConfigError(f"{editor.name} has made no edits: there is nothing to merge")
    return editor.merged()


def what_is_lost(editor: Editor) -> str:
    """What the plain model gives up beside the edited one, in words."""
    return NOTHING_LOST if editor.in_weights else LOST


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
            original = {site: site.module.get_parameter("weight") for site in weights}
            try:
                put(weights)
                lm.model.save_pretrained(new)
            finally:
                put(original)
        lm.tokenizer.save_pretrained(new)
        make_readable(new)
        write_text(new / "README.md", checkpoint_card(config, lost))
        os.replace(new, folder)  # an empty folder gives way


def put(weights: Mapping[Site, nn.Parameter]) -> None:
    """Make each parameter the matrix of its site; raises `ConfigError`, before any is, where one cannot be replaced."""
    for site in weights:
        require_matrix(site.name, site.module)
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
