"""Combinations of what is tried one by one anyway: `make thorough` has them all, `make test` each part once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

thorough = pytest.mark.thorough


def by_turns(names: Iterable[str], families: Sequence[str]) -> list[Any]:
    """Every name with every family; in `make test` one family for each name, which take turns."""
    return [
        pytest.param(name, family, marks=() if place % len(families) == turn else thorough)
        for place, name in enumerate(names)
        for turn, family in enumerate(families)
    ]


def some(cases: Iterable[str], kept: Iterable[str]) -> list[Any]:
    """All cases; in `make test` those that are `kept`."""
    cases, kept = list(cases), set(kept)
    assert kept <= set(cases), f"no such case: {sorted(kept - set(cases))}"
    return [pytest.param(case, marks=() if case in kept else thorough) for case in cases]
