"""Which devices there are, what they are called, and what is free on them."""

from __future__ import annotations

import os

import torch

from wise.errors import ConfigError
from wise.lm.shares import SPREAD


def find_device(name: str) -> torch.device:
    """The device of that name, "auto" being a GPU when there is one; raises `ConfigError` for one that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device '{name}' cannot be used ({reason}); 'auto' takes what is there") from error
    return device


def find_devices(name: str) -> list[torch.device]:
    """The devices of a model, its home first: all GPUs for "spread", those of a list "cuda:2,cuda:3", else one.

    "spread" is the CPU where there is no GPU. Raises `ConfigError` for one that is not there or is named twice.
    """
    if name == SPREAD:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return [torch.device("cuda", number) for number in range(count)] or [torch.device("cpu")]
    devices = [find_device(part.strip()) for part in name.split(",")]
    if len(set(devices)) < len(devices):
        raise ConfigError(f"device '{name}' names a device twice; name each of them once, or take '{SPREAD}'")
    return devices


def device_name(device: torch.device) -> str:
    """What a record calls the device: a GPU by its model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def free_bytes(device: torch.device) -> int:
    """Bytes that are free on a GPU, or on the machine."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
