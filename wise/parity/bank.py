"""Side memories of a golden run: its masks, its mergings, and its updates in the place of those that were learned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Self

import torch
from torch import Tensor

from wise.editors.wise.config import WiseConfig
from wise.editors.wise.memories import Sequential, Tools
from wise.editors.wise.merging import merge
from wise.parity.deviations import deviation_of
from wise.parity.golden import Golden
from wise.parity.rounding import rounded_merge
from wise.parity.single import SINGLE_SHARD_RULES, single_shard_merge
from wise.tail.tail import Tail

MERGE_SEED = 1000
"""The golden runs seed the generator of random merging rules with this plus the number of the merging."""


@dataclass(frozen=True, eq=False)
class GoldenBank(Sequential):
    """Memories that go on from the golden update, so that every edit and every merging is compared by itself.

    `golden` (d, f) is that update behind the edit at hand. `after` (d, f) and `score` are what the replayed edit
    brought, `least_put_away` is the smallest score of the memory that was put away last.
    """

    golden: Tensor | None = None
    after: Tensor | None = None
    score: float = 0.0
    least_put_away: float = 0.0

    def learned(self, delta: Tensor, score: float) -> Self:
        """See `Sequential.learned`."""
        golden = delta if self.golden is None else self.golden
        return replace(super().learned(golden, score), after=delta, score=score)

    def put_away(self) -> Self:
        """See `Sequential.put_away`."""
        return replace(super().put_away(), least_put_away=self.least)


class GoldenTools(Tools):
    """The stored masks and mergings, and the one generator of the golden run.

    `merges`: the matrices that went into mergings and came out of them, computed and golden.
    """

    def __init__(self, tail: Tail, config: WiseConfig, golden: Golden) -> None:
        super().__init__(tail, config, seed=0)
        self.golden = golden
        self.random = Random(golden.inputs.get("seed", 42))
        self.merges: list[tuple[Tensor, Tensor]] = []

    def weight(self, delta: Tensor | None) -> Tensor:
        """A memory's matrix, (d, f)."""
        base = self.tail.site.weight
        return base if delta is None else base + delta

    def mask(self, index: int, edit: int) -> Tensor:
        """See `Tools.mask`: the stored one."""
        return self.golden.array(f"edit{edit}/mask").bool().view(tuple(self.tail.site.weight.shape))

    def draw(self, edit: int) -> Random:
        """See `Tools.draw`: the golden run draws from one generator throughout."""
        return self.random

    def merge(self, deltas: Sequence[Tensor], weights: Sequence[float], index: int) -> Tensor:
        """One merging, its inputs and its result held against the stored ones; the stored result goes on."""
        stored = sum(bool(re.fullmatch(rf"merge{index}/in\d+", name)) for name in self.golden.arrays)
        for number, delta in enumerate(deltas[:stored]):
            self.merges.append((self.weight(delta), self.golden.array(f"merge{index}/in{number}")))
        golden = self.golden.array(f"merge{index}/out").to(self.tail.site.weight.dtype)
        self.merges.append((self.weight(self._merge_as_stored(deltas, weights, index)), golden))
        return golden - self.tail.site.weight

    def _merge_as_stored(self, deltas: Sequence[Tensor], weights: Sequence[float], index: int) -> Tensor:
        """The project's own merging; with the released code's rounding where that comes closer to the stored one."""
        rule, density = self.golden.hparams["merge_alg"], self.config.density
        if rule in SINGLE_SHARD_RULES:
            return single_shard_merge(rule, self.tail.site.weight, deltas[0], weights[0])
        golden = self.golden.array(f"merge{index}/out")
        attempts = []
        for merging in (merge, rounded_merge):
            draw = torch.Generator().manual_seed(MERGE_SEED + index)
            attempt = merging(list(deltas), rule, density, list(weights), draw)
            attempts.append((deviation_of(self.weight(attempt), golden), attempt))
            if attempts[-1][0] <= self.golden.tolerance:
                break
        return min(attempts, key=lambda deviated: deviated[0])[1]
