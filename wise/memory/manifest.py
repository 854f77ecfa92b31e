"""What a saved memory says of itself, and whether it belongs to the model and editor at hand."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

import torch

from wise.editors.base import Editor
from wise.errors import ConfigError
from wise.memory.folder import CONFIG, SavedMemory
from wise.memory.routing_report import inventory
from wise.versions import versions_of


def describe(editor: Editor) -> dict[str, Any]:
    """config.json of an editor's memory, but for the schema and the digests of files."""
    return {
        "editor": editor.name,
        "options": _options(editor),
        "layer": editor.layer,
        "site": ", ".join(site.name for site in editor.sites),
        "seed": editor.seed,
        "contexts": list(editor.contexts),
        "measured": editor.measured(),
        "memories": inventory(editor),
        "edits": len(editor.edits),
        **({"not_taken": editor.not_taken} if editor.not_taken else {}),  # only known where somebody asked
        "base": base_of(editor),
        "versions": versions_of("torch", "transformers", "wise-editing"),
    }


def base_of(editor: Editor) -> dict[str, Any]:
    """The base model: its name, and digest, precision and shape (d, f) of the unedited matrix W0; whether it chats.

    The digest is over the values in float32. It thus tells what the checkpoint stores: the same for a bfloat16
    checkpoint that was loaded in bfloat16 and in float32, another one for a float32 checkpoint that loading
    in bfloat16 has rounded, because the memory was learned on the values before.
    """
    with editor.unedited():
        weight = editor.site.weight.detach()
        values = weight.to("cpu", torch.float32).contiguous()
    digest = hashlib.sha256(f"float32 {list(values.shape)} ".encode())
    digest.update(values.view(torch.uint8).numpy().data)
    return {
        "name": editor.lm.name,
        "sha256": digest.hexdigest(),
        "dtype": str(weight.dtype).removeprefix("torch."),
        "shape": list(weight.shape),
    } | ({"chat": True} if editor.lm.chat else {})


def check_fits(editor: Editor, saved: SavedMemory) -> None:
    """Raise `ConfigError`, naming both sides, unless `saved` was made by such an editor on this base model."""
    config, path = saved.config, saved.folder / CONFIG
    mine = {"editor": editor.name, "layer": editor.layer, "options": _options(editor)}
    for key, value in mine.items():
        if config[key] != value:
            raise ConfigError(f"{path}: {key} is {config[key]!r}, this editor has {value!r}")
    base, here = config["base"], base_of(editor)
    if editor.lm.chat != base.get("chat", False):
        asked = "in the model's chat template" if not editor.lm.chat else "without a chat template"
        raise ConfigError(f"{saved.folder}: its edits were made {asked}; load the model the same way (chat)")
    if here["sha256"] == base["sha256"]:
        return
    hint = "it is another model"
    if here["shape"] == base["shape"] and here["dtype"] != base["dtype"]:
        hint = f"the digest is of the checkpoint's values: try dtype {base['dtype']}, or it is another model"
    raise ConfigError(f"{saved.folder}: belongs to {_base_text(base)}, not to {_base_text(here)}; {hint}")


def _base_text(base: dict[str, Any]) -> str:
    shape = " x ".join(map(str, base["shape"]))
    return f"'{base['name']}' (edited matrix {shape} in {base['dtype']}, sha256 {base['sha256'][:12]})"


def _options(editor: Editor) -> dict[str, Any]:
    """The options as JSON gives them back, where a tuple is a list."""
    return json.loads(json.dumps(asdict(editor.config)))
