"""Side memories: which of them learns an edit, and which of them answer."""

from wise.editors.wise.memories.bank import MemoryBank, Served
from wise.editors.wise.memories.round_robin import RoundRobin
from wise.editors.wise.memories.sequential import Sequential
from wise.editors.wise.memories.tools import Tools

BANKS: dict[str, type[MemoryBank]] = {"round_robin": RoundRobin, "sequential": Sequential}
"""By the name of `WiseConfig.order`."""

__all__ = ["BANKS", "MemoryBank", "RoundRobin", "Sequential", "Served", "Tools"]
