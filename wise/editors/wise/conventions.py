"""Presets of WISE's switches: what the paper says, what its released code does, what this project does.

`whitened` is the default of every switch in `WiseConfig`. docs/conventions.md has the measurement behind each:
one switch at a time set back to what the paper or the code does.
"""

from __future__ import annotations

from typing import Any

REFINED: dict[str, Any] = {
    "whiten": 0.0,
    "units": "relative",
    "lr": 60.0,
    "shards": 2,
    "rho": 0.2,
    "density": 0.53,
    "capacity": 0,
    "routing_weight": 0.02,
    "alpha": 0.25,
    "beta": 1.0,
    "gamma": 0.5,
    "stop": "loss",
    "context_prefixes": 10,
    "threshold": "current",
    "scope": "activation",
    "until": "always",
}
"""The paper's method with scales relative to the model, and the decision at the prompt's last token."""

PAPER: dict[str, Any] = REFINED | {
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

CONVENTIONS: dict[str, dict[str, Any]] = {
    "whitened": {},
    "refined": REFINED,
    "paper": PAPER,
    "official": OFFICIAL,
}
