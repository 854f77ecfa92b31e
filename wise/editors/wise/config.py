"""Options of WISE in the paper's convention, with scales taken from the model itself."""

from __future__ import annotations

from dataclasses import dataclass

from wise.editors.wise.merging import RULES
from wise.errors import unknown
from wise.options import require


@dataclass(frozen=True)
class WiseConfig:
    """Paper: k = 2 shards, rho = 0.2, SGD at 1.0, 70 steps, margins 5, 20, 10 on Llama-2-7B.

    Absolute margins and rates fit one model only. Here `alpha`, `beta`, `gamma` are shares of the
    median output norm of the edited matrix on unrelated texts, and `lr` is divided by the mean
    squared norm of its input and by `rho`, the share of a step that a mask lets through. Both norms
    are measured once, by `prepare`, and kept with the memory.

    `shards`: k; edits go to the shards in turn, T/k each. `rho`: mask ratio. `routing_weight`: factor of the
    routing loss. `irrelevant`: how many unrelated prompts enter it beside the edit's own.
    `act_ratio`: the threshold is this share of the smallest score over the edits. `prefixes`: random
    contexts that augment the prompt. `stop_loss`: end early below this edit loss, in nats.
    """

    shards: int = 2
    rho: float = 0.2
    lr: float = 60.0
    steps: int = 70
    alpha: float = 0.25
    beta: float = 1.0
    gamma: float = 0.5
    routing_weight: float = 0.02
    irrelevant: int = 64
    act_ratio: float = 0.95
    merge: str = "ties"
    density: float = 0.53
    prefixes: int = 10
    stop_loss: float = 0.02

    def __post_init__(self) -> None:
        require(self.shards >= 1, "shards must be at least 1")
        require(0 < self.rho <= 1, "rho, the mask ratio, must be in (0, 1]")
        require(self.rho <= self.density <= 1, "density must reach rho, or trimming drops what was learned")
        require(self.lr > 0 and self.steps > 0, "lr and steps must be positive")
        require(0 < self.act_ratio <= 1, "act_ratio must be in (0, 1]")
        if self.merge not in RULES:
            raise unknown("merging rule", self.merge, RULES)
