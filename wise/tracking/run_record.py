"""The run record: what a job did, with what, on what, at what cost; JSON beside its transcript."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from wise.versions import versions_of

RUN_SCHEMA = 1


def now() -> str:
    """The present moment in ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {
        "python": platform.python_version(),
        **versions_of("torch", "transformers"),
        "wise": versions_of("wise-editing")["wise-editing"],
    }


def hardware(device: str, threads: int) -> dict[str, Any]:
    """What the job ran on."""
    return {"cpu": _cpu_name(), "cores": os.cpu_count(), "threads": threads, "device": device}


def edit_cost(
    curve: Sequence[Mapping[str, Any]],
    probe_seconds: float,
    extra_parameters: int,
    parameters: int,
    peak_memory: int | None = None,
) -> dict[str, Any]:
    """Cost summary of a stream; `curve` has one entry per edit with `seconds` and `iterations` (None: it failed).

    `peak_memory` in bytes, None where the system does not tell.
    """
    seconds = [entry["seconds"] for entry in curve]
    iterations = [entry["iterations"] for entry in curve if entry["iterations"] is not None]
    return {
        "edit_seconds_mean": statistics.fmean(seconds),
        "edit_seconds_median": statistics.median(seconds),
        "edit_seconds_total": sum(seconds),
        "probe_seconds_total": probe_seconds,
        "peak_memory_bytes": peak_memory,
        "extra_parameters": extra_parameters,
        "extra_parameters_ratio": extra_parameters / parameters,
        "iterations_mean": statistics.fmean(iterations) if iterations else None,
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux: the general name is all there is
    return platform.processor() or platform.machine()
