"""Which records of a dataset a seed edits: a slice of its own, or the first ones for every seed.

Slices follow the order of the file one after the other, so that another seed changes nothing for those before it. Where
the file ends inside a slice, it begins anew: that seed edits records that earlier ones edit too.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from wise.errors import ConfigError

LOG = logging.getLogger(__name__)
Record = TypeVar("Record")


@dataclass(frozen=True)
class Slice:
    """Slice number `index`, from 0, of `size` records."""

    index: int
    size: int

    def of(self, records: Sequence[Record]) -> list[Record]:
        """Its records, in the order of the file. Raises `ConfigError` where there are fewer than one slice has."""
        if self.size > len(records):
            raise ConfigError(f"a slice has {self.size} records (evaluation.edits), the dataset only {len(records)}")
        start = self.index * self.size
        return [records[place % len(records)] for place in range(start, start + self.size)]

    def reused(self, available: int) -> int:
        """How many of its records are in earlier slices too, of a dataset that has `available` records."""
        return min(self.size, max(0, (self.index + 1) * self.size - available))

    def described(self, available: int) -> dict[str, Any]:
        """What the run record says of it."""
        return {"index": self.index, "size": self.size, "available": available, "reused": self.reused(available)}


def taken(records: Sequence[Record], part: Slice | None) -> list[Record]:
    """The records of a slice, or all where every seed edits the same; a warning where earlier slices hold some."""
    if part is None:
        return list(records)
    chosen, reused = part.of(records), part.reused(len(records))
    if reused:
        LOG.warning(
            "%d of the %d records of slice %d are in earlier slices too: the dataset has %d records, and slices that "
            "share none need %d",
            reused, part.size, part.index, len(records), (part.index + 1) * part.size,
        )  # fmt: skip
    return chosen
