"""What every learning needs, wherever a user calls it from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def learning() -> Iterator[None]:
    """With gradients, also inside `torch.no_grad()`, `torch.inference_mode()` and where a notebook has set them off."""
    with torch.inference_mode(False), torch.enable_grad():
        yield
