"""Headers and rows of tables about machines: how faults ended, and what jobs took beside what they ask for."""

from __future__ import annotations

import json
from typing import Any

from docs.sources import file_of

Rows = tuple[list[str], list[list[str]]]


def faults() -> Rows:
    """How often each kind of fault was tried, and how often it ended how; the kinds of what it struck in one cell."""
    tried = json.loads(file_of("benchmarks/faults").read_text(encoding="utf-8"))["tried"]
    rows = []
    for area in dict.fromkeys(one["area"] for one in tried):
        own = [one for one in tried if one["area"] == area]
        what = ", ".join(dict.fromkeys(one["what"].partition(": ")[0] for one in own if one["what"]))
        skipped = "; ".join(dict.fromkeys(one["skipped"] for one in own if one["skipped"]))
        counts = [sum(count(one) for one in own) for count in (_all, _same, _told, _wrong)]
        rows.append([area, f"{what} ({skipped})" if skipped else what, *map(str, counts)])
    return ["fault", "of", "tried", "same results", "clear message", "wrong"], rows


def resources() -> Rows:
    """The largest job of each run, rule and model, beside what such jobs ask for."""
    found = json.loads(file_of("benchmarks/resources").read_text(encoding="utf-8"))
    header = ["rule", "parameters", "jobs", "took MB", "asks MB", "took min", "asks min"]
    rows = [
        [
            one["rule"],
            f"{one['parameters'] / 1e6:.1f}M",
            str(one["jobs"]),
            "" if one["took_mb"] is None else f"{one['took_mb']:,.0f}",
            f"{one['asks_mb']:,}",
            f"{one['took_minutes']:.1f}",
            str(one["asks_minutes"]),
        ]
        for one in sorted(found, key=lambda one: (one["parameters"], one["rule"]))
    ]
    return header, rows


def _all(one: dict[str, Any]) -> int:
    return _same(one) + _told(one) + _wrong(one)


def _same(one: dict[str, Any]) -> int:
    return one["same"]


def _told(one: dict[str, Any]) -> int:
    return one["told"]


def _wrong(one: dict[str, Any]) -> int:
    return len(one["faults"])
