"""A folder of a model, checked before it is loaded: what transformers is given is data, whole, and of its own size.

Nothing in such a folder is run. Left to itself, transformers would fill weights that the files lack with random ones.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from wise.documents import parse_json, read_text, refuse_archive
from wise.errors import ConfigError, DataError, refusing, shown, unknown
from wise.lm.families import FAMILIES
from wise.lm.finite import finite
from wise.lm.text_part import text_part

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"

OBJECTS = ("generation_config.json", "tokenizer_config.json", "special_tokens_map.json")
"""Other files that are read where they are there; the tokenizer itself is read by a library that checks it."""

LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
"""Keys of a config that say how many layers there are, each of which has several tensors."""

TENSORS = 4
"""Tensors that a layer has at least: of queries, of the attention's output and of the FFN."""

EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
"""Keys that say how many experts a layer has."""

LONGEST_HEADER = 100_000_000
"""Bytes of a safetensors header, as the library has it."""

BUFFERS = 2**30
"""Bytes of tables that a model computes from its config, such as positions, beside its weights."""

LAYER = re.compile(r"(?:^|\.)(?:layers|h)\.(\d+)\.")
"""What the names of weights inside a layer have, with its number."""


def check_folder(folder: Path) -> None:
    """Raise `ConfigError` or `DataError`, naming file and key, for a folder that is not a whole model of known kind.

    Its weights are safetensors inside the folder, and as many as its config describes.
    """
    whole = _object(folder / CONFIG)
    config = text_part(whole)
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ConfigError(f"{folder / CONFIG}: model_type: {unknown('model family', str(kind), FAMILIES)}")
    if whole.get("quantization_config") is not None:
        raise ConfigError(f"{folder / CONFIG}: quantization_config: only weights that are not quantised can be edited")
    if (folder / "adapter_config.json").exists():
        raise ConfigError(f"{folder}: holds an adapter (adapter_config.json); merge it into its model first")
    for name in OBJECTS:
        if (folder / name).exists():
            _object(folder / name)
    tensors, held = (sum(counts) for counts in zip(*map(_contents, weight_files(folder)), strict=True))
    require_count(folder / CONFIG, config, tensors)
    _require_folder_size(folder, config, held)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model; raises `ConfigError` for none, and for an index that leads elsewhere."""
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    if not (folder / INDEX).exists():
        raise ConfigError(f"{folder}: has neither {WEIGHTS} nor {INDEX}; pickled weights are not loaded")
    places = _object(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise DataError(f"{folder / INDEX}: 'weight_map' must be an object of weights with their files")
    for name, file in places.items():
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(".safetensors"):
            raise DataError(f"{folder / INDEX}: '{name}' is in {shown(file)}, no safetensors file of the folder")
    return [folder / name for name in sorted(set(places.values()))]


def require_complete(found: Mapping[str, Any], layers: int, folder: str | Path) -> None:
    """Raise `ConfigError`, naming weights, where loading found some missing, of another shape or of other `layers` than
    the model has; `found` is what transformers tells of it. Left-over tables of layers that it has, such as the masks
    of older checkpoints, do no harm.
    """
    numbers = ((name, LAYER.search(name)) for name in found.get("unexpected_keys", ()))
    left_over = [name for name, number in numbers if number and int(number[1]) >= layers]
    kinds = {
        "lack": sorted(found.get("missing_keys", ())),
        "have in another shape": sorted(str(entry[0]) for entry in found.get("mismatched_keys", ())),
        f"have beyond what {CONFIG} describes": sorted(left_over),
    }
    wrong = [f"{kind} {len(names)} weights, such as '{names[0]}'" for kind, names in kinds.items() if names]
    if wrong:
        raise ConfigError(f"cannot load a language model from '{folder}': its files {', and '.join(wrong)}")


def require_finite(model: nn.Module, path: str | Path) -> None:
    """Raise `ConfigError`, naming it, for a weight that is not finite: answers would mean nothing."""
    unsound = next((name for name, each in model.named_parameters() if not finite(each)), None)
    if unsound is not None:
        raise ConfigError(f"cannot load a language model from '{path}': '{unsound}' holds numbers that are not finite")


def _object(path: Path) -> dict[str, Any]:
    text = read_text(path)
    with refusing(f"{path}: not valid JSON", DataError):
        found = json.loads(text)  # as transformers does: its files have numbers of 31 digits
    if not isinstance(found, dict):
        raise DataError(f"{path}: must be a JSON object, found {type(found).__name__}")
    return found


def require_count(path: Path, config: Mapping[str, Any], tensors: int) -> None:
    """Raise `ConfigError` where a config describes more layers than there are `tensors`, before any is made."""
    limits = dict.fromkeys(LAYERS, tensors / TENSORS) | dict.fromkeys(EXPERTS, tensors)
    for key, limit in limits.items():
        value = config.get(key)
        if type(value) is int and value > limit:
            raise ConfigError(f"{path}: {key} is {value}, and there are only {tensors} tensors of weights")


def _contents(path: Path) -> tuple[int, int]:
    """How many tensors and numbers a safetensors file holds by its header, which fits the size of the file."""
    if not path.is_file():
        raise DataError(f"{path}: no such file of weights")
    refuse_archive(path)
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(LONGEST_HEADER, size - 8):
            raise DataError(f"{path}: not a safetensors file (its header would have {length} of {size} bytes)")
        with refusing(f"{path}: not a safetensors file", DataError):
            text = stream.read(length).decode("utf-8")
    header = parse_json(text, f"{path}, header")
    if not isinstance(header, dict):
        raise DataError(f"{path}: not a safetensors file (its header is no JSON object)")
    header.pop("__metadata__", None)
    with refusing(f"{path}: not a safetensors file", DataError):
        ends = [int(entry["data_offsets"][1]) for entry in header.values()]
        numbers = sum(prod(map(int, entry["shape"])) for entry in header.values())
    if max(ends, default=0) > size - 8 - length or numbers > 8 * size or numbers < 0:
        raise DataError(f"{path}: not a safetensors file (its header claims more than the {size} bytes that there are)")
    return len(header), numbers


def _require_folder_size(folder: Path, config: Mapping[str, Any], held: int) -> None:
    """Raise `ConfigError` where the config describes more numbers than the files hold."""
    with refusing(f"{folder / CONFIG}: cannot load a language model that it describes", ConfigError):
        plain = AutoConfig.from_pretrained(folder, trust_remote_code=False).get_text_config()
    require_size(folder / CONFIG, config, plain, held)


def require_size(path: Path, config: Mapping[str, Any], plain: PretrainedConfig, held: int) -> None:
    """Raise `ConfigError` where the config in `path`, as read and as transformers has it (`plain`), describes more
    numbers than the `held` ones, or tables beside them that are too large.
    """
    with refusing(f"{path}: cannot load a language model that it describes", ConfigError), torch.device("meta"):
        model = AutoModelForCausalLM.from_config(plain)
    described = sum(parameter.numel() for parameter in model.parameters())
    if described > held:
        sizes = json.dumps({key: value for key, value in config.items() if type(value) is int})
        raise ConfigError(f"{path}: describes a model of {described} numbers, the weights hold {held}: {sizes}")
    tables = sum(buffer.nbytes for buffer in model.buffers())
    if tables > BUFFERS:
        raise ConfigError(f"{path}: describes a model with tables of {tables} bytes, more than {BUFFERS}")
