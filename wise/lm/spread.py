"""A model whose layers lie on several devices, where it does not fit on one.

One device is the model's home. Its input goes there, its output comes from there, and so do the hidden states between
any two layers: a layer elsewhere takes its arguments with it, and brings its result back. So everything that edits or
asks the model works on one device, and the others hold layers and nothing else. A layer that is edited is brought home
(`wise.tail.tail`), since its matrix is worked with there. What a cache keeps of a layer lies where the layer does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import wraps
from importlib import import_module
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from wise.errors import ConfigError
from wise.lm.architectures import find_site
from wise.lm.devices import device_name, free_bytes
from wise.lm.shares import places


def spread(model: PreTrainedModel, devices: Sequence[torch.device], where: Sequence[int] | None = None) -> None:
    """Share the layers of a model among `devices`, of which the first is its home.

    `where`: number of the device of each layer, by default as there is room, see `wise.lm.shares.places`. Raises
    `ConfigError` for a family that is not known, and where the devices do not hold the weights.
    """
    blocks, home = list(find_site(model, 0).blocks), devices[0]
    if where is None:
        layer = bytes_of(blocks[0])
        rest = bytes_of(model) - layer * len(blocks)
        where = places(layer, len(blocks), rest, [free_bytes(device) for device in devices])
    for block, place in zip(blocks, where, strict=True):
        block.to(devices[place])
    _outside_to(model, blocks, home)
    settle(model, home)


def settle(model: PreTrainedModel, home: torch.device) -> None:
    """Let every layer that lies elsewhere take its arguments there and its result home."""
    for block in find_site(model, 0).blocks:
        device = next(block.parameters()).device
        if device != home:
            block.forward = _elsewhere(block, device, home)


def bring_home(block: nn.Module, home: torch.device) -> None:
    """Move a layer that lies elsewhere to the home of its model."""
    if next(block.parameters()).device != home:
        vars(block).pop("forward", None)  # the class's own method shows again
        block.to(home)


def gathered(model: PreTrainedModel) -> None:
    """Take over a model that transformers has dispatched to several devices (`device_map`); others stay as they are.

    Layers stay where they are, all else goes where the embeddings are. Raises `ConfigError` where a part of it was
    offloaded to the disk or the CPU.
    """
    mapped = getattr(model, "hf_device_map", {})
    if len(set(mapped.values())) < 2:
        return
    if offloaded := sorted(str(name) for name, device in mapped.items() if device in ("cpu", "disk")):
        raise ConfigError(
            f"parts of the model were offloaded ({', '.join(offloaded[:3])}), so it cannot be edited: load it without "
            "device_map, and give wise the folder with device 'spread'"
        )
    hooks = import_module("accelerate.hooks")  # not a dependency: it has dispatched the model, so it is installed
    hooks.remove_hook_from_module(model, recurse=True)
    home = cast(Tensor, model.get_input_embeddings().weight).device
    _outside_to(model, list(find_site(model, 0).blocks), home)
    settle(model, home)
    cast(Any, model).hf_device_map = {"": home}  # what `generate` asks


def devices_named(model: nn.Module) -> str:
    """What a record calls the devices that hold a part of the model, such as "2 x NVIDIA A100"."""
    counts = Counter(map(device_name, dict.fromkeys(parameter.device for parameter in model.parameters())))
    return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in counts.items())


def bytes_of(module: nn.Module) -> int:
    """Bytes of its parameters, shared ones once."""
    return sum(parameter.nbytes for parameter in module.parameters())


def _outside_to(model: nn.Module, blocks: Sequence[nn.Module], device: torch.device) -> None:
    """Move what is in none of the layers."""
    inside = {part for block in blocks for part in block.modules()}
    for module in model.modules():
        if module not in inside:
            module._apply(lambda tensor: tensor.to(device), recurse=False)  # as `Module.to`, but without its children


def _elsewhere(block: nn.Module, device: torch.device, home: torch.device) -> Any:
    own = block.forward

    @wraps(own)  # others read its signature
    def forward(*args: Any, **kwargs: Any) -> Any:
        return _moved(own(*_moved(args, device), **_moved(kwargs, device)), home)

    return forward


def _moved(value: Any, device: torch.device) -> Any:
    """Tensors on that device, also in tuples, lists and dictionaries; caches and all else as they are."""
    if isinstance(value, Tensor):
        return value.to(device)
    if type(value) in (tuple, list):
        return type(value)(_moved(part, device) for part in value)
    if type(value) is dict:
        return {key: _moved(part, device) for key, part in value.items()}
    return value
