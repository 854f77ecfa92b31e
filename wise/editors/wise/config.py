"""Options of WISE: scales, and every switch in which the paper, its released code and this project differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wise.editors.decision import POLICIES
from wise.editors.wise.conventions import CONVENTIONS
from wise.editors.wise.merging import RULES
from wise.editors.wise.sharding import MASKS
from wise.errors import unknown
from wise.options import require

SWITCHES = {
    "units": ("relative", "absolute"),
    "activation": ("none", "ffn"),
    "positions": ("last", "answer", "prompt", "tokens", "padded"),
    "pool": ("mean", "mean_or_max"),
    "hinge": ("mean", "positive"),
    "divisor": ("tokens", "tokens_plus_one"),
    "decay": ("masked", "unmasked"),
    "threshold": ("current", "recorded"),
    "stop": ("loss", "plateau", "never"),
    "order": ("round_robin", "sequential"),
    "routing": POLICIES,
    "masks": MASKS,
    "merge": tuple(RULES),
    "convention": tuple(CONVENTIONS),
}
"""Options that choose among names. What they mean is told in `WiseConfig`."""


@dataclass(frozen=True)
class WiseConfig:
    """`convention` presets the switches (see `conventions`); each can be set on its own beside it.

    Scales. `shards`: k. `rho`: mask ratio. `lr`, `steps`: SGD. `alpha`, `beta`, `gamma`: margins of
    the routing loss, `routing_weight` its factor, `irrelevant` how many measured unrelated prompts enter it
    beside the edit's own text. `act_ratio`: the threshold is this share of the smallest score over the edits.
    `context_prefixes`: random contexts that augment the prompt. `group`: edits after which the shards are merged
    into one memory and new ones begin (0: never). `replay`: past edits in the routing loss (appendix B.3),
    `replayed` of them an iteration. `merge_weight`: shared by the shards at merging. `weight_decay`; `clamp`:
    largest change of a weight (0: any).

    Switches. `units`: margins are shares of the matrix's median output norm on unrelated texts, and the
    rate is divided by its mean squared input norm and by rho (relative), or both are numbers as they are
    (absolute). `activation`: the score compares the outputs themselves or the FFN's activation of them.
    `positions`: whose gaps are averaged to the score: the last prompt token, the tokens that predict the
    answer, the prompt, all tokens, or all with padding. `pool`: maximum instead of mean beyond 100 of them.
    `hinge`: mean over all terms or over the positive ones. `divisor`: of the edit loss of a row. `decay`:
    under the mask or not. `threshold`: smallest score that the edits have in the memory as it is now, or that
    they had when each was learned. `stop`: below `stop_loss`; when the loss is low and flat; never. `order`:
    edits go to the shards in turn, or fill one after the other. `routing`: see `POLICIES`.
    """

    convention: str = "refined"
    shards: int = 2
    rho: float = 0.2
    lr: float = 60.0
    steps: int = 70
    alpha: float = 0.25
    beta: float = 1.0
    gamma: float = 0.5
    routing_weight: float = 0.02
    irrelevant: int = 64
    act_ratio: float = 0.8
    merge: str = "ties"
    merge_weight: float = 1.0
    density: float = 0.53
    context_prefixes: int = 10
    stop_loss: float = 0.02
    group: int = 0
    replay: bool = False
    replayed: int = 64
    weight_decay: float = 0.0
    clamp: float = 0.0
    units: str = "relative"
    activation: str = "none"
    positions: str = "last"
    pool: str = "mean"
    hinge: str = "mean"
    divisor: str = "tokens"
    decay: str = "masked"
    threshold: str = "current"
    stop: str = "loss"
    order: str = "round_robin"
    routing: str = "prefill"
    masks: str = "bernoulli"

    @classmethod
    def preset(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the convention named in `values` sets; raises `ConfigError` for an unknown one."""
        name = values.get("convention", "refined")
        if name not in CONVENTIONS:
            raise unknown("convention", str(name), CONVENTIONS)
        return dict(CONVENTIONS[name])

    def __post_init__(self) -> None:
        for switch, choices in SWITCHES.items():
            if getattr(self, switch) not in choices:
                raise unknown(switch, getattr(self, switch), choices)
        require(self.shards >= 1, "shards must be at least 1")
        require(0 < self.rho <= 1, "rho, the mask ratio, must be in (0, 1]")
        require(0 < self.density <= 1, "density must be in (0, 1]")
        if self.convention == "refined":
            require(self.rho <= self.density, "density must reach rho, or trimming drops what was learned")
        require(self.lr > 0 and self.steps > 0, "lr and steps must be positive")
        require(0 < self.act_ratio <= 1, "act_ratio must be in (0, 1]")
        require(min(self.weight_decay, self.clamp, self.group, self.irrelevant) >= 0, "negative weight_decay or clamp")
        require(
            self.threshold == "recorded" or self.positions in ("last", "answer"),
            "threshold 'current' needs positions 'last' or 'answer': only last prompt tokens are kept",
        )
        if self.order == "sequential":
            require(
                self.group > 0 and self.group % self.shards == 0, "order 'sequential' needs group = shards * n edits"
            )
            require(self.threshold == "recorded", "order 'sequential' needs threshold 'recorded'")
