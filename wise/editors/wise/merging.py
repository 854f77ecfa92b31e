"""Knowledge merging (equation 8): the shards' updates become one side memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wise.editors.wise.slerp import spherical_weights
from wise.errors import ConfigError, unknown


@dataclass(frozen=True)
class Rule:
    """How updates are combined; every rule is a weighted sum after these steps.

    `keep`: which entries of an update stay: "all", the "largest" by magnitude, or "random" ones.
    `rescale`: random survivors are divided by the density, so that their expectation is the update.
    `elect`: only entries that agree with the sign of the weighted sum take part.
    `renormalize`: divide by the weights that took part in an entry.
    `spherical`: the weights are those of spherical interpolation.
    """

    keep: str = "all"
    rescale: bool = False
    elect: bool = False
    renormalize: bool = False
    spherical: bool = False


RULES = {
    "ties": Rule(keep="largest", elect=True, renormalize=True),
    "dare_ties": Rule(keep="random", rescale=True, elect=True),
    "dare": Rule(keep="random", rescale=True),
    "dare_linear": Rule(keep="random"),
    "magnitude": Rule(keep="largest"),
    "magnitude_norm": Rule(keep="largest", renormalize=True),
    "sign": Rule(elect=True, renormalize=True),
    "linear": Rule(),
    "slerp": Rule(spherical=True),
}


def merge(
    deltas: Sequence[Tensor],
    rule: str = "ties",
    density: float = 0.53,
    weights: Sequence[float] | None = None,
    draw: torch.Generator | None = None,
) -> Tensor:
    """One update from the `deltas` = W_i - W_0 of k >= 1 shards, a new tensor of their shape and dtype.

    `weights`: one number a shard, 1/k each by default. `density`: share of entries that trimming
    and dropping keep. `draw`: CPU generator of the random rules, not used at density 1.

    `ties` (Yadav et al. 2023): keep the largest entries of each update; elect for every entry the
    sign of the weighted sum; average the updates that agree with it over their own weights. `sign`
    does not trim; `magnitude` only trims, and `magnitude_norm` divides by the sum of the weights.
    `dare` (Yu et al. 2024): keep random entries divided by the density; `dare_ties` elects signs as
    well; `dare_linear` does not rescale, as in the authors' code of WISE. `linear`: weighted sum.
    `slerp`: spherical interpolation of the flattened updates, see `wise.editors.wise.slerp`.

    Shards are added one after the other: beside a bool mask each, memory does not grow with k.

    Raises ConfigError for an unknown rule, a density outside (0, 1] or so small that trimming keeps
    nothing, and weights that slerp cannot use; ValueError for deltas of different shapes, another
    number of weights, and a random rule without `draw`.
    """
    if rule not in RULES:
        raise unknown("merging rule", rule, RULES)
    steps = RULES[rule]
    weights = _check(deltas, weights)
    if steps.spherical:
        weights = spherical_weights(deltas, weights)
    masks = _masks(deltas, steps.keep, density, draw)
    scale = 1.0 / density if steps.rescale else 1.0
    return _weighted_sum(deltas, masks, [weight * scale for weight in weights], steps)


def largest(delta: Tensor, density: float) -> Tensor:
    """Where the floor(density * n) entries of largest magnitude are: bool of the shape of `delta`."""
    kept = math.floor(density * delta.numel())
    if kept == 0:
        raise ConfigError(f"density {density} keeps none of {delta.numel()} entries: it must be at least one's share")
    index = delta.flatten().abs().topk(kept, sorted=False).indices
    mask = torch.zeros(delta.numel(), dtype=torch.bool, device=delta.device)
    return mask.index_fill_(0, index, True).view(delta.shape)


def survivors(delta: Tensor, density: float, draw: torch.Generator) -> Tensor:
    """Where random dropping leaves `delta` alone, each entry with probability `density`: bool of its shape."""
    chances = torch.full_like(delta, density, dtype=torch.float32, device="cpu")
    return torch.bernoulli(chances, generator=draw).bool().to(delta.device)


def _check(deltas: Sequence[Tensor], weights: Sequence[float] | None) -> list[float]:
    """The weight of each of the `deltas`, whose shapes must be equal."""
    if not deltas or len({delta.shape for delta in deltas}) > 1:
        raise ValueError(f"deltas must be one or more of equal shape, got {[tuple(delta.shape) for delta in deltas]}")
    if weights is None:
        return [1.0 / len(deltas)] * len(deltas)
    if len(weights) != len(deltas):
        raise ValueError(f"weights must be one number for each of {len(deltas)} deltas, got {len(weights)}")
    return [float(weight) for weight in weights]


def _masks(
    deltas: Sequence[Tensor], keep: str, density: float, draw: torch.Generator | None
) -> Sequence[Tensor | None]:
    """The entries of each update that take part, None for all; random ones are drawn shard after shard."""
    if keep == "all":
        return [None] * len(deltas)
    if not 0 < density <= 1:
        raise ConfigError(f"density must be in (0, 1], got {density}")
    if density == 1:
        return [None] * len(deltas)
    if keep == "largest":
        return [largest(delta, density) for delta in deltas]
    if draw is None:
        raise ValueError("draw, a torch.Generator, is required by a rule that drops random entries")
    return [survivors(delta, density, draw) for delta in deltas]


def _weighted_sum(
    deltas: Sequence[Tensor], masks: Sequence[Tensor | None], weights: Sequence[float], steps: Rule
) -> Tensor:
    """Sum of w_i delta_i over the entries that take part, divided by their weights where `steps` says so."""
    elected = _elect(deltas, masks, weights) if steps.elect else None
    total = _accumulator(deltas[0])
    shares = torch.zeros_like(total) if steps.elect and steps.renormalize else None
    for delta, mask, weight in zip(deltas, masks, weights, strict=True):
        part = _masked(delta.to(total.dtype), mask) * weight
        if elected is not None:
            agrees = torch.where(elected, part > 0, part < 0)  # a zero agrees with no sign
            part = part * agrees
            if shares is not None:
                shares.add_(agrees, alpha=weight)
        total.add_(part)
    if shares is not None:
        total.div_(shares.masked_fill_(shares == 0, 1.0))
    elif steps.renormalize:
        total.div_(sum(weights) if abs(sum(weights)) >= 1e-8 else 1.0)
    return total.to(deltas[0].dtype)


def _elect(deltas: Sequence[Tensor], masks: Sequence[Tensor | None], weights: Sequence[float]) -> Tensor:
    """The sign that each entry's weighted sum has: True for + (and for zero), False for -."""
    # Relative to the largest, so that equal weights are exactly 1: updates that cancel then do so in any order.
    unit = max(abs(weight) for weight in weights) or 1.0
    votes = _accumulator(deltas[0])
    for delta, mask, weight in zip(deltas, masks, weights, strict=True):
        votes.add_(_masked(delta, mask), alpha=weight / unit)
    return votes >= 0


def _masked(delta: Tensor, mask: Tensor | None) -> Tensor:
    return delta if mask is None else delta * mask


def _accumulator(delta: Tensor) -> Tensor:
    """Zeros of the shape of `delta`, in float32 at least: sums in half precision would lose the small weights."""
    return torch.zeros_like(delta, dtype=torch.promote_types(delta.dtype, torch.float32))
