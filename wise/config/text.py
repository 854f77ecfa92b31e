"""Configurations as they are written, looked at before they are understood: small, flat, and each key once.

A few lines of YAML can stand for any amount of data, since a name may stand for what stands for other names; and of two
keys of one name YAML takes the second without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from wise.documents import read_text
from wise.errors import ConfigError, DataError, refusing, shown

LARGEST = 2**22
"""Bytes of a file."""

MOST = 100_000
"""Keys and values, each counted as often as it is named."""

DEEPEST = 32
"""Sections inside each other."""

HOLDERS = (yaml.CollectionNode, Mapping, list, tuple, set)
"""What holds other parts, composed or read."""


def check_text(path: str | Path) -> None:
    """Raise `ConfigError`, naming file and line, for a file that is no YAML or JSON, too large, or has a key twice."""
    try:
        text = read_text(path, LARGEST, "configuration file")
    except DataError as error:
        raise ConfigError(str(error)) from error
    with refusing(f"{path}: not valid JSON or YAML", ConfigError):
        top = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(top, yaml.MappingNode):
        raise ConfigError(f"{path}: must have keys at its top level, such as 'datasets: [mine]'")
    _require_small(top, str(path))
    _require_once(top, path)


def require_plain(written: Any, where: str = "configuration") -> None:
    """Raise `ConfigError` for what was read of YAML and stands for too much, or for itself."""
    _require_small(written, where)


def _require_small(top: Any, where: str) -> None:
    """Count every part as often as it is named, without going through it more than once."""
    sizes: dict[int, int] = {}
    open_: set[int] = set()
    path: list[tuple[Any, Iterator[Any]]] = [(top, _inner(top))]
    while path:
        part, rest = path[-1]
        if len(path) > DEEPEST:
            raise ConfigError(f"{where}: sections are nested deeper than {DEEPEST}")
        open_.add(id(part))
        following = next((inner for inner in rest if isinstance(inner, HOLDERS) and id(inner) not in sizes), None)
        if following is not None:
            if id(following) in open_:
                raise ConfigError(f"{where}: a section stands for one that it is in itself")
            path.append((following, _inner(following)))
            continue
        sizes[id(part)] = 1 + sum(sizes.get(id(inner), 1) for inner in _inner(part))
        if sizes[id(part)] > MOST:
            raise ConfigError(f"{where}: stands for more than {MOST} keys and values")
        open_.discard(id(part))
        path.pop()


def _inner(part: Any) -> Iterator[Any]:
    """What a part of YAML, composed or read, holds."""
    if isinstance(part, yaml.MappingNode):
        return (each for pair in part.value for each in pair)
    if isinstance(part, yaml.SequenceNode):
        return iter(part.value)
    if isinstance(part, Mapping):
        return (each for pair in part.items() for each in pair)
    return iter(part if isinstance(part, list | tuple | set) else ())


def _require_once(top: yaml.Node, path: str | Path) -> None:
    waiting, seen = [top], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        waiting += list(_inner(part))
        keys: set[Any] = set()
        for key, _ in part.value if isinstance(part, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                line = key.start_mark.line + 1
                raise ConfigError(f"{path}, line {line}: the key {shown(key.value)} stands twice in one section")
            keys.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
