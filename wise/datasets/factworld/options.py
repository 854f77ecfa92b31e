"""How large FactWorld is and how much of it the model is shown."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from pydantic.dataclasses import dataclass

from wise.options import STRICT, Count, Share, require


@dataclass(frozen=True, config=STRICT)
class FactWorldOptions:
    """Counts of entities and shares of what the corpus states.

    With fewer entities than the least counts, some role of the split would have no subject of some kind.
    """

    seed: int = 0
    """Seed of the world: other names, other facts."""
    people: Annotated[int, Ge(20)] = 260
    """Number of people."""
    cities: Count = 90
    """Number of cities, at least two a country."""
    countries: Annotated[int, Ge(6)] = 24
    """Number of countries."""
    organisations: Annotated[int, Ge(8)] = 100
    """Number of organisations."""
    works: Annotated[int, Ge(8)] = 140
    """Number of works, such as books."""
    sparse_share: Share = 0.4
    """Share of the subjects whose facts are stated in 3 of the 6 phrasings instead of 4."""
    alias_share: Share = 0.5
    """Share of the subjects of whom facts are also stated under the alias."""
    two_hop_share: Share = 0.5
    """Share of the subjects of whom two-hop consequences are stated."""
    description_share: Share = 0.15
    """Share of the facts that a longer free-text sentence states as well."""
    profile_share: Share = 0.5
    """Share of the subjects with a profile, and, drawn apart, with a register entry."""
    train_share: Share = 0.13
    """Share of the subjects set aside to prepare editors, never edited in an evaluation."""
    bystander_share: Share = 0.15
    """Share of the subjects that the long-form edits leave alone, to measure their locality."""
    early_edits: Count = 500
    """Consequences asked as portability are not themselves edited in so many first edits."""

    def __post_init__(self) -> None:
        few = f"{self.cities} cities are fewer than two for each of {self.countries} countries"
        require(self.cities >= 2 * self.countries, few)
