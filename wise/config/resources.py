"""Memory, time and GPUs that jobs ask a cluster for, from the size of their model.

What a job takes beside its model was measured on small models (`benchmarks/resources.py` prints what jobs took beside
what they ask for); the rest is in proportion to the weights. A job that was ended for want of either asks for twice as
much in its next attempt (`retries` of a profile).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from wise.config.levels import billions
from wise.lm.shares import GIB, SPREAD, fewest


@dataclass(frozen=True)
class Cost:
    """What jobs of a rule take: `base_mb` and `base_minutes` with the smallest model.

    `copies`: how often the weights, in their own dtype, lie in the memory of the host at once. `minutes`: for each
    billion parameters, on a GPU.
    """

    base_mb: int
    copies: float
    base_minutes: int
    minutes: float


COSTS = {
    "pretrain": Cost(2000, 5.0, 120, 600),
    "knowledge": Cost(1500, 1.4, 60, 20),
    "contexts": Cost(1500, 1.4, 60, 10),
    "preedit": Cost(2000, 1.4, 60, 20),
    "prepare": Cost(2000, 2.4, 120, 200),
    "edit": Cost(2000, 1.4, 120, 200),
    "edit_areas": Cost(2000, 1.4, 60, 20),
    "measure_overhead": Cost(2000, 1.4, 120, 60),
    "trace": Cost(1500, 1.4, 60, 20),
    "search": Cost(2000, 1.4, 240, 400),
}
"""By rule. What trains (AdamW's two moments and gradients) or sums second moments holds more than the weights."""

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}

UNKNOWN = 0.5
"""Billions of parameters of a model whose name does not tell."""

GPU_FROM = 5e7
"""Parameters from which a model whose device is `auto` asks for a GPU; smaller ones are edited as well without."""


def parameters(name: str, model: Mapping[str, Any]) -> float:
    """Parameters of a model of a configuration: by its shape where it is trained here, else by its name or path."""
    if model["source"] != "pretrain":
        return 1e9 * max(billions(name, model), default=UNKNOWN)
    from wise.options import build_options
    from wise.pretraining.recipe import PretrainOptions

    shape = build_options(PretrainOptions, model["pretrain"], f"models.{name}.pretrain")
    layer = 4 * shape.hidden**2 + 3 * shape.hidden * shape.intermediate
    return shape.layers * layer + 2 * shape.vocabulary * shape.hidden


def needs(rule: str, name: str, model: Mapping[str, Any], attempt: int = 1) -> dict[str, int | None]:
    """`mem_mb`, `runtime` in minutes and `gpu` (None for none) of a job of that rule with that model."""
    cost, count = COSTS[rule], parameters(name, model)
    memory = cost.base_mb + cost.copies * count * BYTES[model["dtype"]] / 1e6
    minutes = cost.base_minutes + cost.minutes * count / 1e9
    return {
        "mem_mb": ceil(memory / 100) * 100 * 2 ** (attempt - 1),
        "runtime": ceil(minutes) * 2 ** (attempt - 1),
        "gpu": gpus(model, count),
    }


def gpus(model: Mapping[str, Any], count: float) -> int | None:
    """GPUs of a job whose model has `count` parameters, None for none: with `spread` as many as hold the weights."""
    device = model["device"]
    if device == "auto":
        return 1 if count >= GPU_FROM else None
    if device == SPREAD:
        return fewest(count * BYTES[model["dtype"]], model["gpu_memory"] * GIB)
    return sum(part.strip() != "cpu" for part in device.split(",")) or None
