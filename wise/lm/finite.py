"""Whether numbers are finite, asked of whole models and after every edit."""

from __future__ import annotations

from torch import Tensor


def finite(numbers: Tensor) -> bool:
    """Whether none of them is infinite or not a number: the two extremes tell, without a copy of them."""
    return not numbers.numel() or all(bool(extreme.isfinite()) for extreme in numbers.detach().aminmax())
