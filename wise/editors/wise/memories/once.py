"""What was computed of a memory, kept as long as the memory is, so that an edit costs no pass over all older ones."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

from torch import Tensor

_FOUND: WeakKeyDictionary[object, dict[str, tuple[Tensor, Tensor]]] = WeakKeyDictionary()
"""By memory and name: beside what it was computed, and what came out."""


def once(memory: object, name: str, beside: Tensor, make: Callable[[], Tensor]) -> Tensor:
    """`make()` for a memory, which never changes: computed again only for another tensor `beside` it."""
    found = _FOUND.setdefault(memory, {})
    if name not in found or found[name][0] is not beside:
        found[name] = beside, make()
    return found[name][1]
