"""Memory in use: that of the process on a CPU, that of the tensors on a GPU."""

from __future__ import annotations

from pathlib import Path

import torch


def start_peak(device: torch.device) -> int | None:
    """Start the peak anew; bytes in use now, None where the system does not tell and the peak goes on as it was."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return None
    return _status("VmRSS")


def peak_memory(device: torch.device) -> int | None:
    """Most bytes in use since `start_peak`, or since the process began; None where the system does not tell."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _status("VmHWM")


def _status(key: str) -> int | None:
    """Bytes that the system reports of this process under `key`."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key)), None)
