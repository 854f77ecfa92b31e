"""Options that nobody set, in units of the model at hand.

Published rates, radii and weights are numbers that fit models of 7 billion parameters. In a smaller or larger one
the same number does nothing, or destroys it. An option of this kind says with `Own` how many of the model's own units
it is by default, and what was published::

    lr: Annotated[Positive, Own(2.0, "step", 5e-4)] = OPEN

An editor turns what is left open into plain numbers when it is made, and saves those with its memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_type_hints

import pydantic
import torch
from torch import Tensor

from wise.lm.batch import encode
from wise.lm.contexts import write_samples
from wise.lm.pseudo_edits import pseudo_edits, readable
from wise.options import STRICT
from wise.tail.frozen_states import FrozenStates
from wise.tail.tail import Tail

OPEN: Any = None
"""Default of an option that is filled in for the model at hand."""

SAMPLES, TOKENS = 16, 12
"""How many texts the model writes to be measured on, and their length."""


class Own(NamedTuple):
    """What an open option becomes: `factor` times a unit of `UNITS`, or the number that was `published`."""

    factor: float
    unit: str
    published: float


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class OwnConstants:
    """Base of options of which some are in the model's own units."""

    constants: Literal["own", "published"] = "own"
    """How options that are left open are set: in the model's own units (`own`), or to the published numbers, which fit
    models of 7 billion parameters (`published`)."""

    @classmethod
    def published(cls) -> dict[str, Any]:
        """The options that stand for what was published; every search of options tries them."""
        return {"constants": "published"}


def open_options(kind: type) -> dict[str, Own]:
    """The options of a config class that may be left open."""
    hints = get_type_hints(kind, include_extras=True)
    found = {name: [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Own)] for name, hint in hints.items()}
    return {name: owns[0] for name, owns in found.items() if owns}


def filled_in(tail: Tail, config: Any) -> Any:
    """`config` with numbers for all options that were left open, on the unedited model and matrix of `tail`."""
    named = {field.name for field in fields(config)}
    left = {k: own for k, own in open_options(type(config)).items() if k in named and getattr(config, k) is OPEN}
    if not left:
        return config
    if config.constants == "published":
        return replace(config, **{name: own.published for name, own in left.items()})
    measures = Measures(tail)
    return replace(config, **{name: own.factor * unit_of(own, measures) for name, own in left.items()})


def unit_of(own: Own, measures: Measures) -> float:
    """The unit of an open option, on the model and matrix that `measures` looks at."""
    return UNITS[own.unit](measures)


@dataclass(frozen=True)
class Measures:
    """What units are made of: the edited matrix W (d, f), and the model's own texts at it."""

    tail: Tail

    @cached_property
    def weight(self) -> Tensor:
        """W in float32, or float64 as the model is."""
        weight = self.tail.site.weight.detach()
        return weight.to(torch.promote_types(weight.dtype, torch.float32))

    @cached_property
    def entry(self) -> float:
        """Root mean square of the entries of W."""
        return self.weight.square().mean().sqrt().item()

    @property
    def features(self) -> int:
        """f, how many inputs the matrix has."""
        return self.weight.shape[1]

    @cached_property
    def frozen(self) -> FrozenStates:
        """Pseudo-edits of the model's own samples, at the matrix; the same for every seed."""
        records = pseudo_edits(readable(self.tail.lm, write_samples(self.tail.lm, SAMPLES, TOKENS, seed=0), TOKENS))
        return self.tail.frozen(encode(self.tail.lm, [r.prompt for r in records], [r.target for r in records]))

    @cached_property
    def queries(self) -> Tensor:
        """Inputs of W at the last tokens of the prompts, (n, f)."""
        return self.frozen.query().to(self.weight)

    @cached_property
    def output(self) -> float:
        """Root mean square of the entries of the matrix's output there."""
        return (self.queries @ self.weight.T).square().mean().sqrt().item()  # (n, f) x (f, d)

    @cached_property
    def power(self) -> float:
        """Mean squared norm of the inputs there."""
        return self.queries.square().sum(-1).mean().item()

    @cached_property
    def distance(self) -> float:
        """Median distance between two inputs there."""
        return torch.pdist(self.queries).median().item()

    @cached_property
    def slope(self) -> float:
        """Norm of the gradient (d, f) of one pseudo-edit's loss, root mean square over them."""
        output = self.frozen.output.detach().clone().requires_grad_(True)  # (B, L, d)
        nll = self.tail.nll(self.frozen, output)  # (N,)
        (slopes,) = torch.autograd.grad(nll.mean() * len(output), output)  # (B, L, d)
        gradients = slopes.float().transpose(1, 2) @ self.frozen.inner.float()  # (B, d, L) x (B, L, f)
        return gradients.square().sum((1, 2)).mean().sqrt().item()


UNITS: dict[str, Callable[[Measures], float]] = {
    # one step of Adam of this size in every entry moves the matrix's output by about its own norm
    "step": lambda m: m.entry / m.features**0.5,
    # the same in a fresh linear layer, whose entries are U(-1/sqrt(f), 1/sqrt(f))
    "fresh_step": lambda m: 1 / (3**0.5 * m.features),
    # one step of SGD at this rate moves the matrix's output by about its own norm
    "slope": lambda m: m.entry * m.weight.shape[0] ** 0.5 / m.slope,
    # the same behind a factor that is shared out among the rows of W
    "row_slope": lambda m: m.entry * m.weight.shape[0] ** 1.5 / m.slope,
    "one": lambda m: 1.0,
    "entry": lambda m: m.entry,
    "output": lambda m: m.output,
    "power": lambda m: m.power,
    "distance": lambda m: m.distance,
    "features": lambda m: float(m.features),
    "eigenvalue": lambda m: m.power / m.features,
    "shift": lambda m: m.output / m.features,
}
"""A unit by name. `one` is the number itself; `entry`, `output`, `power` and `distance` are told in `Measures`,
`eigenvalue` is the mean one of the inputs' second moment, `shift` the output for each feature, UltraEdit's unit."""
