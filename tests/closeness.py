"""Equal to rounding: how far two results may lie apart that were computed in another order, batch or place.

Two orders of adding n terms differ by about sqrt(n) half units in the last place, since single errors have no common
direction; `ROOM` standard deviations of that are allowed: of a million entries none comes that far. Sums that follow
one on another, as the layers of a model do or the steps of a training, add up in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

ROOM = 8
TERMS = 64
"""Terms of the longest sum in a tiny model: the width of its feed-forward layers."""
SUMS = 4 * 6 + 1
"""Sums that follow one on another in it: queries, scores, mixture, output, up and down in 4 layers, and the head."""

TRAINED = 2 * SUMS
"""The same of one step of training, forwards and backwards."""


def rounding(terms: int = TERMS, sums: int = SUMS, dtype: torch.dtype = torch.float32) -> float:
    """Relative difference that rounding makes in `sums` sums of `terms` terms that follow one on another.

    By default that of one pass through a tiny model: 4e-5.
    """
    return ROOM * math.sqrt(terms * sums) * torch.finfo(dtype).eps


def tolerance(sums: int = SUMS, size: float = 1.0, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """`rtol` and `atol` for entries of a tensor whose large ones have about that `size`."""
    return {"rtol": rounding(sums=sums, dtype=dtype), "atol": size * rounding(sums=sums, dtype=dtype)}


def assert_same_to_rounding(found: Any, expected: Any, bound: float | None = None) -> None:
    """Nested values are the same, but for real numbers, which may differ by `bound` relative to the larger of 1 and
    their size. NaN equals NaN.
    """
    bound = rounding() if bound is None else bound
    if isinstance(expected, float):
        assert found == pytest.approx(expected, rel=bound, abs=bound, nan_ok=True)
    elif is_dataclass(expected):
        assert type(found) is type(expected)
        assert_same_to_rounding(vars(found), vars(expected), bound)
    elif isinstance(expected, Mapping):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_same_to_rounding(found[key], value, bound)
    elif isinstance(expected, Sequence) and not isinstance(expected, str):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same_to_rounding(one, other, bound)
    else:
        assert found == expected


def assert_states_alike(
    found: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    start: Mapping[str, Tensor] | None = None,
    sums: int = SUMS,
) -> None:
    """Tensors of the same names are the same to rounding, in relation to how far each has moved away from `start`.

    Norms are compared, not entries: an optimiser makes full steps also along gradients that are nothing but rounding.
    """
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        if tensor.is_floating_point():
            origin = (start or {}).get(name, torch.zeros(()))
            apart, moved = (found[name] - tensor).norm().item(), (tensor - origin).norm().item()
            assert apart <= rounding(sums=sums) * moved, (name, apart, moved)
        else:
            assert torch.equal(found[name], tensor), name
