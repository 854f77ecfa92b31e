"""What T means: the stream cut into chunks of T edits, each asked about at its end.

Every chunk starts from the unedited model. Chunks of different T that begin at the same edit share
their edits: one run from there passes through all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wise.errors import ConfigError


@dataclass(frozen=True)
class Run:
    """Edits from `start` on; `asks` are the (T, chunk) pairs to ask about, by growing T."""

    start: int
    asks: tuple[tuple[int, int], ...]

    @property
    def length(self) -> int:
        """How many edits the run makes."""
        return self.asks[-1][0]


def plan_runs(grid: Mapping[int, int], edits: int) -> list[Run]:
    """Runs that cover `grid`, a number of chunks for every T, on a stream of `edits` edits.

    Chunk c of T covers edits c * T to (c + 1) * T - 1. Raises `ConfigError` for a grid that needs more edits.
    """
    if not grid:
        raise ConfigError("evaluation.grid is empty: name at least one T, such as {10: 8}")
    starts: dict[int, list[tuple[int, int]]] = {}
    for T, chunks in sorted(grid.items()):
        if T < 1 or chunks < 1:
            raise ConfigError(f"evaluation.grid: T = {T} with {chunks} chunks; both must be at least 1")
        if T * chunks > edits:
            raise ConfigError(
                f"evaluation.grid: {chunks} chunks of T = {T} need {T * chunks} edits, the stream has {edits}"
            )
        for chunk in range(chunks):
            starts.setdefault(chunk * T, []).append((T, chunk))
    return [Run(start, tuple(asks)) for start, asks in sorted(starts.items())]
