"""The division of the second world's subjects: everybody has one role, and is either edited or asked about in it.

A subject that is edited keeps one *reserved* fact, which no edit touches. Training records ask about the reserved facts
of other training subjects, since so few are left to train with.
"""

from __future__ import annotations

from itertools import islice

from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.split import DEVELOPMENT, EDIT, TRAIN, Role, Split
from wise.datasets.factworld.world import World, stream

SHARES = {(TRAIN, "edited"): 0.2, (DEVELOPMENT, "edited"): 0.21, (DEVELOPMENT, "asked"): 0.06, (EDIT, "asked"): 0.09}
"""Of each kind's subjects; those left over are edited in the stream."""


def divide(world: World, options: FactWorldOptions) -> Split:
    """Draw the roles of all subjects, kind by kind so that each kind is in each role."""
    draw = stream(options, "split")
    parts: dict[tuple[str, str], list[str]] = {part: [] for part in (*SHARES, (EDIT, "edited"))}
    reserved = {}
    for kind in world.kinds:
        names, relations = world.of_kind(kind), world.relations_of(kind)
        draw.shuffle(names)
        reserved |= {name: relations[position % len(relations)].name for position, name in enumerate(names)}
        rest = iter(names)
        for part, share in SHARES.items():
            parts[part] += islice(rest, max(1, round(share * len(names))))
        parts[EDIT, "edited"] += rest
    roles = {role: Role(tuple(parts[role, "edited"]), tuple(parts[role, "asked"])) for role in (DEVELOPMENT, EDIT)}
    train = tuple(parts[TRAIN, "edited"])
    return Split({TRAIN: Role(train, train)} | roles, reserved)
