"""Ways to damage sound input: bytes, JSON and YAML documents, and tensors in files.

Each takes what is sound and draws what is wrong with it. `Damage.choices` says that a name out of a closed set was
replaced, whose valid names a message then has to list.
"""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from safetensors.torch import load, save

Draw = Callable[[st.SearchStrategy], Any]


class Damage(NamedTuple):
    """The damaged content, what was done in words, and whether a message has to list valid choices."""

    content: bytes
    what: str
    choices: bool = False


HOSTILE = [
    None, True, -1, 0, 7, 2**31, 2**62, 10**30, 1e308, 0.5, "", " ", "x", "nobody's", "../../elsewhere/x",
    "/etc/passwd", "$(touch elsewhere/pwned)", "x; touch elsewhere/pwned #", "{input}", "a\x00b", "\x1b[2Jx",
    "é" * 300, [], {}, [[]], [1, "a"], {"a": {"b": 1}}, "__import__('os').system('touch elsewhere/pwned')",
]  # fmt: skip
"""Values that no reader expects in just any place."""

ARCHIVES = [b"PK\x03\x04" + b"\0" * 40, b"\x1f\x8b\x08" + b"\0" * 40, b"\0" * 257 + b"ustar\x0000" + b"\0" * 250]

TEXTS = [
    b"", b"\0", b"\xff\xfe\x00\x01", b"[]", b"{}", b"null", b"1", b'"a"', b"[" * 100_000, b'{"a":' * 5000,
    b"1" * 5000, b'{"a": NaN}', b'["\\ud800"]', b"\xef\xbb\xbf{}",
]  # fmt: skip
"""Whole files that are something else."""


def in_bytes(draw: Draw, sound: bytes) -> Damage:
    """Cut off, overwritten, shuffled, or something else altogether."""
    way = draw(st.sampled_from(["cut", "flip", "insert", "remove", "archive", "other", "append"]))
    at = draw(st.integers(0, max(0, len(sound) - 1)))
    if way == "cut":
        return Damage(sound[:at], f"cut off at byte {at}")
    if way == "flip":
        flipped = bytes([sound[at] ^ draw(st.integers(1, 255))]) if sound else b"x"
        return Damage(sound[:at] + flipped + sound[at + 1 :], f"byte {at} changed")
    if way == "insert":
        more = draw(st.binary(min_size=1, max_size=8))
        return Damage(sound[:at] + more + sound[at:], f"{more!r} put in at byte {at}")
    if way == "remove":
        return Damage(sound[:at] + sound[at + draw(st.integers(1, 64)) :], f"bytes left out at {at}")
    if way == "append":
        more = draw(st.sampled_from([b"x", b"\0" * 9, b"}", b"\n[]", sound]))
        return Damage(sound + more, f"{more[:9]!r} put behind it")
    return Damage(draw(st.sampled_from(ARCHIVES if way == "archive" else TEXTS)), way)


def in_document(draw: Draw, document: Any, named: tuple[str, ...] = ()) -> tuple[Any, str, bool]:
    """A document with one place changed; `named` are keys whose values come from a closed set."""
    document = copy.deepcopy(document)
    places = [place for place in _places(document) if place]
    *parents, last = draw(st.sampled_from(places))
    holder = document
    for part in parents:
        holder = holder[part]
    where = "/".join(map(str, [*parents, last]))
    way = draw(st.sampled_from(["replace", "remove", "rename", "add", "name"]))
    if way == "name" and isinstance(holder, dict) and last in named and isinstance(holder[last], str):
        holder[last] += "x"
        return document, f"{where}: a name that does not exist", True
    if way == "remove":
        del holder[last]
    elif way == "rename" and isinstance(holder, dict):
        holder[f"{last}x"] = holder.pop(last)
    elif way == "add" and isinstance(holder, dict):
        holder[draw(st.sampled_from(["unknown", "", "__class__", "../x"]))] = draw(st.sampled_from(HOSTILE))
    else:
        way, holder[last] = "replace", draw(st.sampled_from(HOSTILE))
        where += f" = {str(holder[last])[:30]!r}"
    return document, f"{way} {where}", False


def in_json(draw: Draw, sound: bytes, named: tuple[str, ...] = ()) -> Damage:
    """One place of a JSON document, or a key of it written twice."""
    text = sound.decode()
    if draw(st.integers(0, 9)) == 0 and "{" in text:
        return Damage(text.replace("{", '{"twice": 1, "twice": 2, ', 1).encode(), "a key twice")
    document, what, choices = in_document(draw, json.loads(text), named)
    return Damage(json.dumps(document).encode(), what, choices)


def in_lines(draw: Draw, sound: bytes, named: tuple[str, ...] = ()) -> Damage:
    """One line of JSON Lines; repeated, left out or changed in one place."""
    lines = sound.decode().splitlines()
    at = draw(st.integers(0, len(lines) - 1))
    way = draw(st.sampled_from(["twice", "other", "document", "document", "document", "document"]))
    if way == "twice":
        return Damage("\n".join([*lines, lines[at]]).encode(), f"line {at + 1} twice")
    if way == "other":
        lines[at] = draw(st.sampled_from(["[]", "1", '"a"', "null", "{", "{}", "[" * 3000, '{"id": "a", "id": "b"}']))
        return Damage("\n".join(lines).encode(), f"line {at + 1} is {lines[at][:20]}")
    damage = in_json(draw, lines[at].encode(), named)
    lines[at] = damage.content.decode()
    return Damage("\n".join(lines).encode(), f"line {at + 1}: {damage.what}", damage.choices)


def in_tensors(draw: Draw, sound: bytes) -> Damage:
    """One tensor of a safetensors file, or its header."""
    ways = ["drop", "rename", "reshape", "type", "nan", "huge", "add", "header", "claim", "overlap"]
    way = draw(st.sampled_from(ways))
    if way in ("header", "claim", "overlap"):
        return _header(draw, sound, way)
    tensors = dict(load(sound))
    if not tensors:
        return Damage(save({"unknown": torch.zeros(2)}), "a tensor more")
    name = draw(st.sampled_from(sorted(tensors)))
    tensor = tensors[name]
    if way in ("drop", "rename"):
        del tensors[name]
    if way in ("rename", "add"):
        tensors[draw(st.sampled_from([f"{name}x", f"{name}.0", "../x", "texts.tokens", "artifact.x"]))] = tensor.clone()
    elif way == "reshape":
        other = draw(st.sampled_from(["longer", "flat", "nested", "empty"]))
        shapes = {
            "longer": lambda: torch.cat([tensor.reshape(-1), tensor.reshape(-1)]),
            "flat": lambda: tensor.reshape(-1), "nested": lambda: tensor[None], "empty": lambda: tensor.reshape(-1)[:0],
        }  # fmt: skip
        tensors[name] = shapes[other]().contiguous()
    elif way == "type":
        tensors[name] = tensor.to(draw(st.sampled_from([torch.float64, torch.int64, torch.bool, torch.bfloat16])))
    elif way == "nan" and tensor.dtype.is_floating_point:
        tensors[name] = torch.full_like(tensor, draw(st.sampled_from([float("nan"), float("inf")])))
    elif way in ("huge", "nan"):
        value = 1 if tensor.dtype == torch.bool else draw(st.sampled_from([-1, 100, 2**31 - 1]))
        tensors[name] = torch.full_like(tensor, min(value, 255) if tensor.dtype == torch.uint8 else value)
    return Damage(save(tensors, metadata={"format": "pt"}), f"{way} {name}")


def by_suffix(draw: Draw, file: str, content: bytes, *closed: str) -> Damage:
    """Damage that fits the form of a file, or that of its bytes."""
    if draw(st.integers(0, 3)) == 0:
        return in_bytes(draw, content)
    if file.endswith(".jsonl"):
        return in_lines(draw, content, closed)
    if file.endswith(".safetensors"):
        return in_tensors(draw, content)
    return in_json(draw, content, closed) if file.endswith(".json") else in_bytes(draw, content)


def _header(draw: Draw, sound: bytes, way: str) -> Damage:
    size = struct.unpack("<Q", sound[:8])[0]
    if way == "header":
        claimed = draw(st.sampled_from([0, 1, size - 1, size + 1, 2**40, 2**63]))
        return Damage(struct.pack("<Q", claimed) + sound[8:], f"a header of {claimed} bytes")
    header = json.loads(sound[8 : 8 + size])
    names = [name for name in header if name != "__metadata__"]
    if not names:
        return Damage(sound[:8], "cut off behind its length")
    name = draw(st.sampled_from(names))
    if way == "claim":
        header[name]["shape"] = draw(st.sampled_from([[2**40], [2**31, 2**31], [-1], ["a"], "x", [2**62, 2**62]]))
    else:
        header[name]["data_offsets"] = draw(st.sampled_from([[0, 2**50], [4, 0], [-4, 4], [0, 0], [0, 4], "x", []]))
    text = json.dumps(header).encode()
    return Damage(struct.pack("<Q", len(text)) + text + sound[8 + size :], f"{way} {name}")


def _places(document: Any, place: tuple = ()) -> Iterator[tuple]:
    yield place
    holds = document if isinstance(document, dict | list) else []
    for key, value in holds.items() if isinstance(holds, dict) else enumerate(holds):
        yield from _places(value, (*place, key))
