"""Presets of WISE's switches: what the paper says, what its released code does, what this project does.

`refined` is the default of every switch in `WiseConfig`. docs/conventions.md has the measurement behind each:
one switch at a time set back to what the paper or the code does.
"""

from __future__ import annotations

from typing import Any

PAPER: dict[str, Any] = {
    "units": "absolute",
    "lr": 1.0,
    "alpha": 5.0,
    "beta": 20.0,
    "gamma": 10.0,
    "routing_weight": 1.0,
    "irrelevant": 0,
    "act_ratio": 1.0,
    "stop": "never",
    "positions": "prompt",
    "threshold": "recorded",
}
"""Sections 2.3.1 and 2.3.2 with the constants for Llama-2-7B and Mistral-7B (appendix A)."""

OFFICIAL: dict[str, Any] = PAPER | {
    "act_ratio": 0.88,
    "weight_decay": 1e-5,
    "decay": "unmasked",
    "clamp": 1.0,
    "activation": "ffn",
    "positions": "padded",
    "pool": "mean_or_max",
    "hinge": "positive",
    "divisor": "tokens_plus_one",
    "stop": "plateau",
    "order": "sequential",
    "group": 1000,
    "routing": "per_step",
}
"""The released code that made the published tables, number for number (`wise parity` checks it)."""

WHITENED: dict[str, Any] = {
    "whiten": 0.1,
    "units": "whitened",
    "lr": 0.3,
    "shards": 1,
    "rho": 1.0,
    "density": 1.0,
    "capacity": 10,
    "routing_weight": 5.0,
    "alpha": 0.05,
    "beta": 2.0,
    "gamma": 1.0,
    "stop": "separated",
    "threshold": "between",
}
"""Updates in the metric of unrelated prompts, few edits a memory, a threshold between these and the edits."""

CONVENTIONS: dict[str, dict[str, Any]] = {
    "refined": {},
    "whitened": WHITENED,
    "paper": PAPER,
    "official": OFFICIAL,
}
