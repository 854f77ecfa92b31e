"""Seeds for every random draw, derived from the configured one by name, so that no state is shared."""

from __future__ import annotations

import hashlib

import torch


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, such as `derive_seed(0, "mask", shard)`; the same on every machine."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator for one purpose (draws are moved to the device, so they do not depend on it)."""
    return torch.Generator().manual_seed(derive_seed(seed, *purpose))
