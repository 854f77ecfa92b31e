"""Seconds, memory and arithmetic of a call; several ways of doing the same, measured in turn."""

from __future__ import annotations

import ctypes
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from wise.lm.peak_memory import peak_memory, start_peak

Result = TypeVar("Result")


@dataclass(frozen=True)
class Cost:
    """One call: wall and CPU seconds, and how far memory grew above its beginning, in bytes (None: not known)."""

    wall: float
    cpu: float
    memory: int | None


def measured(call: Callable[[], Result], device: torch.device) -> tuple[Cost, Result]:
    """Run `call` and wait for the device to be done; CPU seconds are those of all threads of the process."""
    if device.type == "cpu":
        _return_free_memory()
    before = start_peak(device)
    _wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    _wait(device)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = peak_memory(device)
    growth = None if before is None or peak is None else max(0, peak - before)
    return Cost(wall, cpu, growth), result


def alternated(
    ways: Mapping[str, Callable[[], Result]], repeats: int, device: torch.device
) -> tuple[dict[str, list[Cost]], dict[str, Result]]:
    """Costs of every way, run in turn `repeats` times, and what each gave last.

    What else the machine does then meets all ways alike. The caller warms up.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    results: dict[str, Result] = {}
    for _ in range(repeats):
        for name, call in ways.items():
            cost, results[name] = measured(call, device)
            costs[name].append(cost)
    return costs, results


def summary(costs: Sequence[Cost], calls: int = 1) -> dict[str, Any]:
    """Medians for one of the `calls` that each cost covers, all repeats beside them, and the largest memory."""
    memory = [cost.memory for cost in costs if cost.memory is not None]
    return {
        "wall_seconds": statistics.median(cost.wall for cost in costs) / calls,
        "cpu_seconds": statistics.median(cost.cpu for cost in costs) / calls,
        "wall_seconds_all": [cost.wall / calls for cost in costs],
        "cpu_seconds_all": [cost.cpu / calls for cost in costs],
        "peak_memory_bytes": max(memory, default=None),
    }


def ratios(slow: Mapping[str, Any], fast: Mapping[str, Any]) -> dict[str, float | None]:
    """How many times faster, by both clocks; None where a clock did not move."""
    clocks = ("wall", "cpu")
    seconds = {clock: (slow[f"{clock}_seconds"], fast[f"{clock}_seconds"]) for clock in clocks}
    return {clock: a / b if b > 0 else None for clock, (a, b) in seconds.items()}


def operations(call: Callable[[], Any]) -> int:
    """Floating-point operations of the matrix products and attentions in `call`: 2 for a multiply and add."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def matmul_rate(dtype: torch.dtype, device: torch.device, size: int = 0, tries: int = 5) -> float:
    """The best rate, in floating-point operations a second, of products of square matrices.

    `size` 0 is 2048 on a CPU and 8192 on a GPU, where a product of matrices of that size keeps all units busy.
    """
    size = size or (2048 if device.type == "cpu" else 8192)
    left, right = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    best = min(measured(lambda: left @ right, device)[0].wall for _ in range(tries + 1))  # the first warms up
    return 2 * size**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _return_free_memory() -> None:
    """Give what the C library keeps for later calls back to the system, or a call's growth hides in it (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
