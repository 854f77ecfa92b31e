"""How the layers of a model are shared out among devices, by the bytes that are free on each.

The first device, the home, also holds what stands outside of the layers, the edited layers, and all that editing takes:
so weights may fill less of it. The others hold layers, and the states of the texts that run through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from wise.errors import ConfigError

HOME, AWAY = 0.5, 0.85
"""Shares of the free bytes of the home, and of every other device, that weights may fill."""

GIB = 2**30

SPREAD = "spread"
"""Name of all GPUs of a job together, as a device."""


def fewest(weights: float, each: float) -> int:
    """Fewest devices with `each` free bytes that hold so many bytes of `weights`."""
    return 1 + max(0, ceil((weights - HOME * each) / (AWAY * each)))


def places(layer: int, layers: int, rest: int, free: Sequence[int]) -> list[int]:
    """Number of the device of each of the `layers`, of `layer` bytes each; 0 is the home, which holds `rest` as well.

    The last layers are at home, as many as there is room for: those behind an edit run in each step of it. The first
    ones are shared evenly among the others, and only when an edit's texts are read. Raises `ConfigError` where they do
    not fit into the `free` bytes of the devices.
    """
    at_home = min(layers, max(0, int((HOME * free[0] - rest) // layer)))
    rooms, left, found = [int(AWAY * room // layer) for room in free[1:]], layers - at_home, []
    if rest > HOME * free[0] or left > sum(rooms):
        enough = fewest(rest + layers * layer, min(free))
        raise ConfigError(
            f"the model's weights take {(rest + layers * layer) / GIB:.1f} GiB, and {len(free)} devices with "
            f"{', '.join(f'{room / GIB:.1f}' for room in free)} GiB free are too few (weights may fill {HOME:.0%} "
            f"of the first and {AWAY:.0%} of the others): {enough} like the smallest would do, or dtype bfloat16"
        )
    for number, room in enumerate(rooms, start=1):
        later = rooms[number:]
        count = min(room, left, max(ceil(left / (len(later) + 1)), left - sum(later)))
        found += [number] * count
        left -= count
    return found + [0] * at_home
