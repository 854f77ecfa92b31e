"""Another processor, for tests: inside `other_rounding()` matrix products round otherwise, each shape in its own way.

Matrix libraries add the terms of a product in an order that they choose by the processor, by the shape of the operands
and by how these lie in memory. On some processors the order is the same for all shapes, so that a test may take for a
rule what is luck. Here no two shapes round alike, as on the least regular processor that there could be, while the same
product of the same shapes gives the same bits each time. What holds here to the last bit is promised; everything else
holds to rounding (`tests/closeness.py`). Not reached: other threads and other processes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
PRODUCTS = {aten.mm: 0, aten.bmm: 0, aten.mv: 0, aten.dot: 0, aten.addmm: 1, aten.baddbmm: 1, aten.addmv: 1}
"""Sums of products, and at which argument their first factor stands."""
OTHERS = {aten._scaled_dot_product_flash_attention_for_cpu, aten._cdist_forward, aten._euclidean_dist}
"""Other operations that add many products; the first of their results is disturbed, in relation to itself."""
CACHE_LINE = 64
"""Bytes to which PyTorch aligns what it allocates; tensors of a mapped file lie as they come."""
SHORT_BITS = 12
"""A result that needs no more bits than these, such as a small integer, is taken for exact: every order gives it."""


@contextmanager
def other_rounding(processor: int = 0) -> Iterator[None]:
    """Round matrix products as another processor could; there is one for each number."""
    with _OtherRounding(processor):
        yield


class _OtherRounding(TorchDispatchMode):
    def __init__(self, processor: int) -> None:
        super().__init__()
        self.processor = processor

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        packet, kwargs = func.overloadpacket, kwargs or {}
        result = func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            if packet in PRODUCTS and result.is_floating_point() and result.device.type == "cpu":
                wide = [_wide(value) for value in args]  # half precision is added up in float32
                left, right = wide[PRODUCTS[packet] : PRODUCTS[packet] + 2]
                exact = result if result.dtype == left.dtype else func(*wide, **kwargs)
                return result.copy_(self._disturbed(func, exact, left.abs() @ right.abs(), args))
            if packet in OTHERS:
                first, *rest = result if isinstance(result, tuple) else (result,)
                first.copy_(self._disturbed(func, first, first.abs(), args))
        return result

    def _disturbed(self, func: Any, result: Tensor, size: Tensor, args: tuple) -> Tensor:
        """`result` as if its sums, whose terms together have that `size`, had been made in another order."""
        tensors = [value for value in args if isinstance(value, Tensor)]
        places = [(tuple(t.shape), tuple(t.stride()), t.data_ptr() % CACHE_LINE) for t in tensors]
        noise = _noise(f"{self.processor} {func} {places}", tuple(result.shape)).to(result.dtype)
        short = (torch.frexp(result).mantissa * 2**SHORT_BITS).frac() == 0
        return torch.where(short, result, result + torch.finfo(result.dtype).eps * noise * size)


def _wide(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.detach().float() if half else value.detach() if isinstance(value, Tensor) else value


@cache
def _noise(key: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers between -1 and 1, always the same for the same `key`."""
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
