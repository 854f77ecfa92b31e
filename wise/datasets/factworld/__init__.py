"""FactWorld: a small invented world, the texts that teach it, and the edits that contradict them."""

from wise.datasets.factworld.build import make
from wise.datasets.factworld.options import FactWorldOptions

__all__ = ["FactWorldOptions", "make"]
