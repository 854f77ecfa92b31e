"""What tensors a memory or an artifact consists of, by name: checked before they are used.

A file may come from anywhere. With another shape it would fail later, or broadcast into other answers; a number that
is used as a place, or as a size, could lead outside of the other tensors, or ask for any amount of memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wise.errors import DataError, unknown

Kind = Literal["float", "double", "int", "bool"]
"""`float` is the model's own precision or float32, `double` float64."""

NUMBER = "#"
"""Stands for a number in a name: "shard#.delta"."""

HIGHEST = 2**62
"""Whole numbers are smaller than this where nothing else limits them."""


@dataclass(frozen=True)
class Part:
    """One tensor. `shape`: its sizes, such as "d f", "f+1" or "2"; empty for a single number.

    A size is a number, or has a name: it is then given (see `require`), or the same wherever it is named, in parts with
    a number in their names in all that have this number. Whole numbers are at least `least` and smaller than the size
    `below`, where that is named.
    """

    shape: str = ""
    kind: Kind = "float"
    optional: bool = False
    least: int = 0
    below: str = ""


Layout = Mapping[str, Part]

Sizes = Mapping[str, int]


def require(tensors: Mapping[str, Tensor], layout: Layout, sizes: Sizes, own: torch.dtype, where: str) -> None:
    """Raise `DataError`, which opens with `where` and names every problem, for tensors that are not as `layout` says.

    `sizes` are those that are known, such as {"d": 32, "f": 64}; `own` is the model's precision. Floats are finite.
    """
    if wrong := list(_problems(tensors, layout, sizes, own)):
        raise DataError(f"{where}: {'; '.join(wrong)}")


def _problems(tensors: Mapping[str, Tensor], layout: Layout, sizes: Sizes, own: torch.dtype) -> Iterator[str]:
    groups: dict[tuple[str, tuple[str, ...]], dict[str, Tensor]] = {("", ()): {}}
    for name, tensor in tensors.items():
        plain, numbers = (name, ()) if name in layout else _plain(name)
        if plain in layout:
            groups.setdefault((_start(plain), numbers), {})[plain] = tensor
        else:
            yield str(unknown("tensor", name, layout))
    for (start, numbers), parts in groups.items():
        known = dict(sizes)
        for plain, part in layout.items():
            if _start(plain) == start and plain.count(NUMBER) == len(numbers):
                name = plain.replace(NUMBER, "{}").format(*numbers)
                if plain in parts:
                    yield from (f"the tensor '{name}' {wrong}" for wrong in _wrong(parts[plain], part, known, own))
                elif not part.optional:
                    yield f"lacks the tensor '{name}'"


def _plain(name: str) -> tuple[str, tuple[str, ...]]:
    """A name with `NUMBER` in the place of its numbers, and these."""
    return re.sub("[0-9]+", NUMBER, name), tuple(re.findall("[0-9]+", name))


def _start(plain: str) -> str:
    """What stands in front of the first number, which tells groups of parts apart; nothing for a part without one."""
    return plain.partition(NUMBER)[0] if NUMBER in plain else ""


def _size(term: str, known: Mapping[str, int]) -> int | None:
    """A size such as "f", "f+1" or "2"; None where it is not known yet."""
    found = [int(name) if name.isdigit() else known.get(name) for name in term.split("+")]
    return None if None in found else sum(size for size in found if size is not None)


def _wrong(tensor: Tensor, part: Part, known: dict[str, int], own: torch.dtype) -> Iterator[str]:
    """What is wrong with one tensor; sizes that were not known by then are noted."""
    terms, shape = part.shape.split(), list(tensor.shape)
    if len(terms) == len(shape):
        for term, size in zip(terms, shape, strict=True):
            if "+" not in term and not term.isdigit():
                known.setdefault(term, size)
    wanted = [_size(term, known) for term in terms]
    if shape != wanted:
        yield f"has the shape {shape}, expected [{', '.join(terms)}] = {wanted}"
        return
    allowed = _TYPES.get(part.kind, {own, torch.float32})
    if tensor.dtype not in allowed:
        names = sorted(str(kind).removeprefix("torch.") for kind in allowed)
        yield f"holds {str(tensor.dtype).removeprefix('torch.')}. Valid choices: {', '.join(names)}"
    elif part.kind in ("float", "double") and not tensor.isfinite().all():
        yield "holds a number that is not finite"
    elif part.kind == "int" and tensor.numel():
        limit = _size(part.below, known) if part.below else HIGHEST
        least, most = int(tensor.min()), int(tensor.max())
        if least < part.least or (limit is not None and most >= limit):
            yield f"holds numbers from {least} to {most}, at least {part.least} and below {limit} are valid"


_TYPES = {
    "double": {torch.float64},
    "int": {torch.int64, torch.int32, torch.uint8},
    "bool": {torch.bool},
}
