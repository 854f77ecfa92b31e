"""Where a training stands at the end of an epoch, so that one that was cut short goes on from there."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wise.files import atomic_path
from wise.pretraining.packing import CorpusText

if TYPE_CHECKING:
    from wise.pretraining.recipe import PretrainOptions

LOG = logging.getLogger("wise.pretrain")

FILE = "epoch.safetensors"
"""Weights and optimiser, and in the file's metadata what they belong to: one file, so that they never disagree."""


def fingerprint(texts: Sequence[CorpusText], options: PretrainOptions, seed: int, device: torch.device) -> str:
    """sha256 of everything that a training depends on."""
    recipe = {"options": asdict(options), "seed": seed, "device": device.type, "torch": torch.__version__}
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode())
    for text in texts:
        digest.update(repr((text.subject, text.text, text.answers, text.given, text.turn)).encode())
    return digest.hexdigest()


def write_checkpoint(folder: Path, state: dict[str, Tensor], described: dict[str, Any]) -> None:
    """Replace the checkpoint; a kill leaves the former one."""
    with atomic_path(folder / FILE) as temporary:
        tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
        save_file(tensors, temporary, metadata={"training": json.dumps(described)})


def read_checkpoint(folder: Path, training: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and description of the checkpoint of the training with that fingerprint.

    None where there is no checkpoint, or, with a warning, where it is damaged or belongs to another training.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            described = json.loads((file.metadata() or {}).get("training", "{}"))
            if described.get("fingerprint") != training:
                LOG.warning("%s: belongs to another corpus, recipe, seed or version; starting anew", path)
                return None
            return {name: file.get_tensor(name) for name in file.keys()}, described
    except (SafetensorError, ValueError, AttributeError, KeyError, RecursionError) as error:
        LOG.warning("%s: damaged (%s); starting anew", path, error)
        return None
