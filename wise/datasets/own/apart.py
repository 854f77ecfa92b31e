"""Keep what people wrote apart: whatever would teach an editor what is asked of it is taken out, and said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from wise.datasets.files import DEVELOPMENT, STREAM, TRAIN
from wise.datasets.leaks import UNRELATED, Leak, Place, find_leaks
from wise.records import EditRecord

YIELDS = (TRAIN, DEVELOPMENT, STREAM)
"""Whose records go first."""

Files = dict[str, list[EditRecord]]


def keep_apart(files: Mapping[str, Sequence[EditRecord]]) -> tuple[Files, list[str]]:
    """The files without what breaks a rule of `wise.datasets.leaks`, and notes on what was taken out.

    An unrelated text or a locality question is taken out of its record; where neither breaks the rule, the record
    goes, out of the training records sooner than out of development, and out of the stream never.
    """
    kept: Files = {file: list(records) for file, records in files.items()}
    taken: Counter[tuple[str, str]] = Counter()
    while leaks := find_leaks(kept):
        out = {place for leak in leaks for place in _yielding(leak)}
        for place in out:
            taken[place.file, place.part if _is_beside(place) else "record"] += 1
        kept = {file: _without(records, [p for p in out if p.file == file]) for file, records in kept.items()}
    notes = [
        f"{file}.jsonl goes without {_counted(count, part)} because of what it shares with what is scored or learned"
        for (file, part), count in sorted(taken.items())
    ]
    return kept, notes


def _is_beside(place: Place) -> bool:
    return place.part == UNRELATED or place.part.startswith("locality")


def _yielding(leak: Leak) -> tuple[Place, ...]:
    """The side of a leak that is taken out."""
    sides = [leak.first, leak.second]
    beside = [side for side in sides if all(map(_is_beside, side))]
    return min(beside or sides, key=lambda side: YIELDS.index(side[0].file))


def _without(records: Sequence[EditRecord], places: Sequence[Place]) -> list[EditRecord]:
    gone = {place.id for place in places if not _is_beside(place)}
    silent = {place.id for place in places if place.part == UNRELATED}
    unasked = {(place.id, place.probe) for place in places if place.part.startswith("locality")}
    kept = []
    for record in (record for record in records if record.id not in gone):
        probes = tuple(probe for index, probe in enumerate(record.probes) if (record.id, index) not in unasked)
        record = replace(record, probes=probes) if len(probes) < len(record.probes) else record
        kept.append(replace(record, irrelevant="", irrelevant_prompt="") if record.id in silent else record)
    return kept


def _counted(count: int, part: str) -> str:
    what = {"record": "record", UNRELATED: "unrelated text"}.get(part, f"question '{part}'")
    return f"one {what}" if count == 1 else f"{count} {what}s"
