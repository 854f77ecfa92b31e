"""How large FactWorld is and how much of it the model is shown."""

from __future__ import annotations

from dataclasses import dataclass, fields

from wise.options import require

LEAST = {"people": 20, "countries": 6, "organisations": 8, "works": 8, "early_edits": 0}
"""Smallest counts with which every role of the split has subjects of every kind."""


@dataclass(frozen=True)
class FactWorldOptions:
    """Counts of entities and shares of what the corpus states; an impossible value raises ValueError."""

    seed: int = 0
    people: int = 260
    cities: int = 90
    countries: int = 24
    organisations: int = 100
    works: int = 140
    sparse_share: float = 0.4
    """Share of the subjects whose facts are stated in 3 of the 6 phrasings instead of 4."""
    alias_share: float = 0.5
    """Share of the subjects of whom facts are also stated under the alias."""
    two_hop_share: float = 0.5
    """Share of the subjects of whom two-hop consequences are stated."""
    description_share: float = 0.15
    """Share of the facts that a longer free-text sentence states as well."""
    profile_share: float = 0.5
    """Share of the subjects with a profile, and, drawn apart, with a register entry."""
    train_share: float = 0.13
    """Share of the subjects set aside to prepare editors, never edited in an evaluation."""
    bystander_share: float = 0.15
    """Share of the subjects that the long-form edits leave alone, to measure their locality."""
    early_edits: int = 500
    """Consequences asked as portability are not themselves edited in so many first edits."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_share"):
                require(0.0 <= value <= 1.0, f"{field.name} must lie in [0, 1], found {value}")
        for name, least in LEAST.items():
            require(getattr(self, name) >= least, f"{name} must be at least {least}, found {getattr(self, name)}")
        few = f"{self.cities} cities are fewer than two for each of {self.countries} countries"
        require(self.cities >= 2 * self.countries, few)
