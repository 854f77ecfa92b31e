"""How large FactWorld is and how much of it the model is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic.dataclasses import dataclass

from wise.options import STRICT, AtLeastOne, Count, Share, require

FIRST = {"people": 260, "cities": 90, "countries": 24, "organisations": 100, "works": 140, "description_share": 0.15}
"""Defaults of version 1, where they differ."""


@dataclass(frozen=True, config=STRICT)
class FactWorldOptions:
    """Counts of entities and shares of what the corpus states.

    With fewer entities than the least counts, some role of the split would have no subject of some kind.
    """

    version: Literal[1, 2] = 2
    """2: no subject in two roles, answers of independent words, twenty wordings a relation. 1: the world as it was."""
    seed: int = 0
    """Seed of the world: other names, other facts."""
    people: Annotated[int, Ge(20)] = 130
    """Number of people."""
    cities: Count = 60
    """Number of cities, at least two a country."""
    countries: Annotated[int, Ge(6)] = 20
    """Number of countries."""
    organisations: Annotated[int, Ge(8)] = 60
    """Number of organisations."""
    works: Annotated[int, Ge(8)] = 70
    """Number of works, such as books."""
    ships: Annotated[int, Ge(8)] = 50
    """Number of ships; none in version 1."""
    alias_share: Share = 0.5
    """Share of the subjects of whom facts are also stated under the alias."""
    two_hop_share: Share = 0.5
    """Share of the subjects of whom two-hop consequences are stated."""
    description_share: Share = 0.3
    """Share of the facts that a longer free-text sentence states as well."""
    profile_share: Share = 0.5
    """Share of the subjects with a profile, and, drawn apart, with a register entry."""
    wordings: Annotated[int, Ge(2), Le(10)] = 4
    """Wordings in which version 2 states each fact."""
    context_share: Annotated[float, Ge(0), Le(0.9)] = 0.1
    """Share of the documents that an epoch reads in which version 2 answers questions from statements before them."""
    context_turns: AtLeastOne = 12
    """Sets of such documents. Epochs take turns, so that few are read twice and none is learned by heart."""
    invented: AtLeastOne = 80
    """Names of each kind that version 2 invents for such documents; of half of them it states facts as well."""
    sparse_share: Share = 0.4
    """Share of version 1's subjects whose facts are stated in 3 of 6 wordings instead of 4."""
    train_share: Share = 0.13
    """Share of version 1's subjects set aside to prepare editors, never edited in an evaluation."""
    bystander_share: Share = 0.15
    """Share of version 1's subjects that the long-form edits leave alone, to measure their locality."""
    early_edits: Count = 500
    """Consequences asked as version 1's portability are not themselves edited in so many first edits."""

    @classmethod
    def preset(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Defaults of version 1, for a configuration that asks for it."""
        return FIRST if values.get("version") == 1 else {}

    def __post_init__(self) -> None:
        few = f"{self.cities} cities are fewer than two for each of {self.countries} countries"
        require(self.cities >= 2 * self.countries, few)
