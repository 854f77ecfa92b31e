"""Options of MEND."""

from __future__ import annotations

from dataclasses import dataclass

from wise.options import require


@dataclass(frozen=True)
class MendConfig:
    """Published values for 7B models, but that three layers' gate, up and down projections are edited there.

    Here it is the down-projection of one layer, as for the other editors. Of the network: `rank` of its layers
    (1920), first value `alpha` of the factor of an update. Of its training: `iterations` of one edit each (100,000
    at most), Adam at `lr` (the paper of WISE; the configuration released with it has 1e-6) and at `lr_alpha` for
    alpha, a step every `accumulate` edits, `clip` on the norm of the gradient, weights `c_edit` and `c_loc` of the
    two losses. `context_prefixes`: random contexts that augment the prompt, in training and editing alike.

    Published training keeps the best checkpoint of a long run. Here the run is short, and both rates fall linearly
    to zero instead.
    """

    rank: int = 1920
    alpha: float = 1e-4
    iterations: int = 100_000
    lr: float = 1e-4
    lr_alpha: float = 1e-4
    accumulate: int = 10
    clip: float = 100.0
    c_edit: float = 0.1
    c_loc: float = 1.0
    context_prefixes: int = 10

    def __post_init__(self) -> None:
        require(self.rank > 0 and self.iterations > 0 and self.accumulate > 0, "rank, iterations and accumulate > 0")
        require(self.lr > 0 and self.lr_alpha > 0 and self.clip > 0, "lr, lr_alpha and clip must be positive")
        require(
            min(self.c_edit, self.c_loc, self.context_prefixes) >= 0, "c_edit, c_loc and prefixes must not be negative"
        )
