"""More devices for tests on machines without them: mistakes that only a GPU would show raise an error on a CPU.

Inside `accelerator()` tensors may be moved to "cuda", which is "cuda:0", "cuda:1" and so on. They stay where they are
in memory, so that every result equals that of the CPU to the last bit, but their storage carries a mark. Two modes of
torch do the rest:


* `_Placement` sees what Python calls: it reads `device=` and `.to(...)`, and answers `.device` and `.is_cuda`.
* `_Kernels` sees every operation that really runs, in backward passes too: operands of two devices raise the error
  that CUDA raises, and what an operation makes is marked like its operands.

What CUDA lets pass does so here: copies from device to device, indices on the CPU, one number without dimensions from
the CPU in an operation of two operands. Not seen: other threads, tensors that Python code makes inside a backward pass,
and anything of a GPU but where its tensors are (number formats, memory, the order of sums, other kernels).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import TorchDispatchMode

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
MARK = "pretended_device"

aten = torch.ops.aten
COPYING = {aten.copy_, aten._foreach_copy_}
"""Their operands may lie anywhere."""
INDEXING = {aten.index, aten._unsafe_index, aten.index_put, aten.index_put_, aten._index_put_impl_}
"""Indices may lie on the CPU, or where the indexed tensor does."""
TAKING_NUMBERS = {aten.where, aten.masked_fill, aten.masked_fill_, aten.fill_}
"""Like element-wise operations of two operands, they take a CPU tensor without dimensions for a number."""
FRESH = (torch.tensor, Tensor.new_tensor, Tensor.__deepcopy__)
FROM_DATA = (*FRESH, torch.as_tensor, torch.asarray)
"""Make a tensor from anything, on the device of their first argument where that is one; `FRESH` always a new one."""
ON_CPU_ONLY = {Tensor.numpy, Tensor.__array__}
DRIVER = {
    "synchronize": lambda _device=None: None,
    "mem_get_info": lambda _device=None: (80 * 2**30, 80 * 2**30),
    "reset_peak_memory_stats": lambda _device=None: None,
    "memory_allocated": lambda _device=None: 2**30,
    "max_memory_allocated": lambda _device=None: 2**31,
    "get_device_name": lambda _device=None: "a pretended GPU",
}
"""What `torch.cuda` would ask of a driver."""


@contextmanager
def accelerator() -> Iterator[torch.device]:
    """Pretend that GPUs are there; gives the first. The mark outlives the block, its meaning does not."""
    placement = _Placement()
    with placement, _Kernels(placement), patch.multiple("torch.cuda", **DRIVER):
        yield GPU


def device_of(tensor: Tensor) -> torch.device:
    """Where a tensor pretends to lie."""
    with torch._C.DisableTorchFunction():
        return getattr(tensor.untyped_storage(), MARK, tensor.device)


class _Placement(TorchFunctionMode):
    """Where the results of the call at hand go: `asked` for by the caller, else `default`, that of its arguments."""

    asked: torch.device | None = None
    default: torch.device = CPU

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if getattr(func, "__name__", "") == "__get__":  # of an attribute
            return READING.get(func, func)(*args)
        kwargs = {name: value for name, value in (kwargs or {}).items() if name != "pin_memory"}  # needs a driver
        args, kwargs, asked = _address(func, args, kwargs)
        default = next((d for d in map(device_of, _tensors((args, kwargs))) if _pretended(d)), CPU)
        if func in ON_CPU_ONLY and _pretended(default):
            raise TypeError(f"can't convert {default} device type tensor to numpy")
        _check_generator([*args, *kwargs.values()], asked or default)
        before = self.asked, self.default
        self.asked, self.default = asked, default
        try:
            result = func(*args, **kwargs)
            return result if asked is None else _placed(func, result, asked)
        finally:
            self.asked, self.default = before


class _Kernels(TorchDispatchMode):
    """Checks the operands of every operation, and marks what it makes."""

    def __init__(self, placement: _Placement) -> None:
        super().__init__()
        self.placement = placement

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunction():
            operands = _tensors((args, kwargs))
            device = self.placement.asked or _common_device(func, args, operands) or self.placement.default
            result = func(*args, **kwargs)
            if _pretended(device):
                known = {tensor.untyped_storage()._cdata for tensor in operands}
                for tensor in _tensors((result,)):
                    if tensor.untyped_storage()._cdata not in known:
                        _marked(tensor, device)
        return result


def _common_device(func: Any, args: tuple, operands: list[Tensor]) -> torch.device | None:
    """Where an operation runs, None where that is not up to its operands; raises RuntimeError as CUDA does."""
    packet = func.overloadpacket
    if packet in COPYING:
        return None
    if packet in INDEXING:
        device, indices = device_of(args[0]), [index for index in args[1] if index is not None]
        if any(device_of(index) not in (CPU, device) for index in indices):
            raise RuntimeError(f"indices should be on cpu or on the same device as the indexed tensor, {device}")
        operands = [args[0], *_tensors(args[2:3])]
    devices = {device_of(operand) for operand in operands}
    if len(devices) > 1 and _takes_numbers(func, operands):
        written = operands[:1] if func._schema.is_mutable else []
        devices = {device_of(operand) for operand in operands if operand.dim() or _pretended(device_of(operand))}
        devices |= {device_of(operand) for operand in written}
    if len(devices) > 1:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices in {func}")
    return next(iter(devices), None)


def _takes_numbers(func: Any, operands: list[Tensor]) -> bool:
    """Whether a CPU tensor without dimensions counts as a number."""
    pair = torch.Tag.pointwise in func.tags and len(operands) == 2
    lists = func._schema.name.startswith("aten::_foreach_") and func._overloadname == "Tensor"
    return pair or lists or func.overloadpacket in INDEXING | TAKING_NUMBERS


def _address(func: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict, torch.device | None]:
    """A call as the CPU can carry it out, and the device that it asks for, None for that of its arguments."""
    if func is Tensor.cpu:
        return args, kwargs, CPU
    if func is Tensor.to and "device" not in kwargs:
        place = kwargs.get("other", args[1] if len(args) > 1 else None)
        if isinstance(place, Tensor):
            return args, kwargs, device_of(place)
        if isinstance(place, str | int | torch.device):
            return (args[0], _real(place), *args[2:]), kwargs, _named(place)
    if kwargs.get("device") is not None:
        place = kwargs["device"]
        return args, kwargs | {"device": _real(place)}, _named(place)
    if func in FROM_DATA:  # not by an operation
        return args, kwargs, device_of(args[0]) if isinstance(args[0], Tensor) else CPU
    return args, kwargs, CPU if func in _device_constructors() else None


def _placed(func: Any, result: Any, device: torch.device) -> Any:
    """A result on the device that was asked for: a copy where it is the argument itself."""
    if not isinstance(result, Tensor) or device_of(result) == device or result.is_meta:
        return result
    if func in FRESH:
        return _marked(result, device)
    return _Copied.apply(result, device)


class _Copied(torch.autograd.Function):
    """A copy on another device, whose gradient goes back to where the tensor came from."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, device: torch.device) -> Tensor:
        ctx.origin = device_of(tensor)
        return _marked(tensor.clone(), device)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _marked(gradient.clone(), ctx.origin), None


def _marked(tensor: Tensor, device: torch.device) -> Tensor:
    with torch._C.DisableTorchFunction():
        setattr(tensor.untyped_storage(), MARK, device)
    return tensor


def _named(place: Any) -> torch.device:
    """The device of that name or number, "cuda" being the first."""
    device = torch.device(GPU.type, place) if isinstance(place, int) else torch.device(place)
    return GPU if device.type == GPU.type and device.index is None else device


def _real(place: Any) -> Any:
    """Where a tensor of that device really lies."""
    return CPU if _pretended(_named(place)) else place


def _pretended(device: torch.device | None) -> bool:
    return device is not None and device.type == GPU.type


def _check_generator(values: Iterable[Any], device: torch.device) -> None:
    for value in values:
        if isinstance(value, torch.Generator) and device.type not in (value.device.type, "meta"):
            raise RuntimeError(f"Expected a '{device.type}' device type for generator but found '{value.device.type}'")


def _tensors(values: Iterable[Any]) -> list[Tensor]:
    """All tensors among nested arguments."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
        elif isinstance(value, dict):
            found += _tensors(value.values())
    return found


READING = {
    Tensor.device.__get__: lambda tensor, *_: device_of(tensor),
    Tensor.is_cuda.__get__: lambda tensor, *_: _pretended(device_of(tensor)),
    Tensor.is_cpu.__get__: lambda tensor, *_: device_of(tensor) == CPU,
}
"""What a tensor's attributes say of its place."""
