"""What a metric is, and the table that metrics are registered in, which `wise.evaluate.metrics` fills.

Import it from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import pandas as pd

from wise.errors import unknown

Role = Literal["headline", "other", "kept"]
"""In tables of the main comparison: a column by T, one of the others at the largest T, or only kept in scores."""


@dataclass(frozen=True)
class Metric:
    """What a number is called and means; `direction` is "higher" or "lower", whichever is better.

    A headline metric has a `heading` for columns that share a place, and `words` for sentences. One that is not
    `stored` is computed from its parts when tables are made.
    """

    name: str
    title: str
    description: str
    direction: str = "higher"
    bounds: tuple[float, float] = (0.0, 1.0)
    version: int = 1
    role: Role = "kept"
    heading: str = ""
    words: str = ""
    stored: bool = True


@dataclass(frozen=True, kw_only=True)
class Measured(Metric):
    """A metric of each question of one `kind`: `measure(rows)` maps n transcript rows to n values.

    NaN means that the question was not asked that way (nothing was generated); it gives no score.
    `by_name` averages within the sub-kinds of probes first, then over the sub-kinds.
    """

    kind: str
    measure: Callable[[pd.DataFrame], np.ndarray]
    by_name: bool = False


@dataclass(frozen=True, kw_only=True)
class Derived(Metric):
    """A metric of one edit computed from other metrics of it; only edits that have all `parts` have it."""

    parts: tuple[str, ...]
    combine: Callable[..., np.ndarray]


METRICS: dict[str, Metric] = {}
"""Every metric by name, in the order in which tables list them."""

Function = TypeVar("Function", bound=Callable[..., np.ndarray])


def measured(kind: str, title: str, **described) -> Callable[[Function], Function]:
    """Register a function of the transcript rows of one kind of question as a metric; see `Measured`."""

    def register(function: Function) -> Function:
        name, text = _described(function)
        METRICS[name] = Measured(name, title, text, kind=kind, measure=function, **described)
        return function

    return register


def derived(*parts: str, title: str, **described) -> Callable[[Function], Function]:
    """Register a function of the values of other metrics as a metric; see `Derived`."""

    def register(function: Function) -> Function:
        name, text = _described(function)
        METRICS[name] = Derived(name, title, text, parts=parts, combine=function, **described)
        return function

    return register


def get_metric(name: str) -> Metric:
    """The registered metric of that name; an unknown one raises `ConfigError` with the valid choices."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]


def _described(function: Callable) -> tuple[str, str]:
    name, text = function.__name__, " ".join((function.__doc__ or "").split())
    if name in METRICS:
        raise ValueError(f"metric '{name}' is there already")
    if not text:
        raise ValueError(f"metric '{name}' has no docstring")
    return name, text
