"""Which records of published files are edited and reported, and which develop, train, or lend their questions.

The published stream is kept. All else is chosen from the records beside it so that nothing that editors learn from is
asked: a record that shares a subject or a question with one that was chosen before it is left out.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wise.datasets.files import STREAM
from wise.datasets.leaks import clear_of, find_leaks, plain
from wise.datasets.published.raw_rows import Entry
from wise.errors import DataError
from wise.records import EditRecord, Probe

STREAM_SHARE = 4 / 5
"""Of the far-locality questions of other records, those asked beside the stream; the rest are development's."""


@dataclass(frozen=True)
class Roles:
    """The records of the three files. `far`: how many questions of other records are asked beside the stream and beside
    development. `left_out`: records beside the stream that overlap with what was chosen before them.
    """

    stream: list[EditRecord]
    development: list[EditRecord]
    train: list[EditRecord]
    far: tuple[int, int]
    left_out: int


def whole_subjects(records: Sequence[EditRecord], count: int) -> set[str]:
    """Ids of about the first `count` records: all records of their subjects, until there are so many."""
    by_subject: dict[str, list[str]] = {}
    for record in records:
        by_subject.setdefault(plain(record.subject), []).append(record.id)
    chosen: set[str] = set()
    for ids in by_subject.values():
        if len(chosen) < count:
            chosen.update(ids)
    return chosen


def divide(stream: Sequence[Entry], aside: Sequence[Entry], development: int, train: int, seed: int) -> Roles:
    """Roles of the records of a `stream` and of those `aside`, in their order.

    About `development` of them, and a third at most, are development records, up to `train` (0 for any number) train.
    Where records have no far locality, what is left out lends its questions, and where that is not enough a third of
    what would train. Raises `DataError` for a role that nothing is left for.
    """
    edits = without_changed([entry.record for entry in stream])
    free = clear_of([entry.record for entry in aside], edits)
    wanted = min(development, max(1, len(free) // 3))
    first = whole_subjects(free, wanted)
    tuned = without_changed([record for record in free if record.id in first])
    rest = clear_of([record for record in free if record.id not in first], tuned)
    left_out = len(aside) - len(tuned) - len(rest)
    lacking = _lacking(edits) + _lacking(tuned)
    taught = rest[: max(1, len(rest) * 2 // 3)] if lacking > left_out else rest
    taught = taught[: train or None]
    if not tuned or not taught:
        raise DataError(f"{len(aside)} records beside the stream are too few: {left_out} of them overlap with it")

    chosen = {record.id for record in (*tuned, *taught)}
    lenders = [entry for entry in aside if entry.record.id not in chosen] if lacking else []
    far = clear_of(questions(lenders), edits, tuned, taught)
    most = len(far) - bool(_lacking(tuned))  # development is left one
    cut = min(_lacking(edits), max(1, min(round(STREAM_SHARE * len(far)), most)))
    far, far_tuned = far[:cut], far[cut : cut + _lacking(tuned)]
    edits, tuned = with_far(edits, far, seed), with_far(tuned, far_tuned, seed)
    taken = {record.id for record in (*tuned, *far, *far_tuned)}
    texts = unrelated([entry for entry in aside if entry.record.id not in taken], edits, tuned)
    own = [entry for entry in aside if entry.record.id in {record.id for record in taught}]
    taught = with_far(taught, questions(own), seed)
    return Roles(
        with_irrelevant(edits, texts),
        with_irrelevant(tuned, texts),
        with_irrelevant(taught, texts, shift=1),
        (len(far), len(far_tuned)),
        left_out,
    )


def without_changed(records: Sequence[EditRecord]) -> list[EditRecord]:
    """The records without locality questions that another of their edits changes."""
    places = {place for leak in find_leaks({STREAM: records}) if leak.rule == "changed" for place in leak.first}
    changed = {(place.id, place.probe) for place in places}
    return [
        replace(record, probes=tuple(p for index, p in enumerate(record.probes) if (record.id, index) not in changed))
        for record in records
    ]


def with_far(records: Sequence[EditRecord], pool: Sequence[EditRecord], seed: int) -> list[EditRecord]:
    """A question from the pool for each record that has no far locality, as many different ones as there are.

    The pool is put in an order that depends on the seed; the i-th record takes the i-th question, or the next that does
    not name its subject and is answered otherwise than the edit, before and after it.
    """
    order = list(pool)
    random.Random(f"{seed}/far").shuffle(order)
    return [
        record if _has_far(record) else replace(record, probes=(*record.probes, *_far(record, order, position)))
        for position, record in enumerate(records)
    ]


def _lacking(records: Sequence[EditRecord]) -> int:
    return sum(not _has_far(record) for record in records)


def _has_far(record: EditRecord) -> bool:
    return any(probe.kind == "locality_far" for probe in record.probes)


def _far(record: EditRecord, order: Sequence[EditRecord], position: int) -> list[Probe]:
    for step in range(len(order)):
        found = order[(position + step) % len(order)]
        if found.id != record.id and record.subject not in found.prompt:
            if found.target not in (record.target, record.original):
                return [Probe("locality_far", found.prompt, found.target, found.relation)]
    return []


def with_irrelevant(records: Sequence[EditRecord], texts: Sequence[EditRecord], shift: int = 0) -> list[EditRecord]:
    """The i-th text for the i-th edit, as the released WISE pairs them; over again where there are fewer texts."""
    if not texts:
        return list(records)
    given = (texts[(place + shift) % len(texts)] for place in range(len(records)))
    return [
        replace(record, irrelevant=text.irrelevant, irrelevant_prompt=text.irrelevant_prompt)
        for record, text in zip(records, given, strict=True)
    ]


def questions(entries: Sequence[Entry]) -> list[EditRecord]:
    """The question of each entry that edits of other subjects leave alone, each once; its sub-kind as `relation`."""
    found: dict[str, EditRecord] = {}
    for entry in entries:
        if probe := entry.bystander:
            question = EditRecord(entry.record.id, probe.prompt, probe.target, relation=probe.name)
            found.setdefault(plain(probe.prompt), question)
    return list(found.values())


def unrelated(entries: Sequence[Entry], *asked: Sequence[EditRecord]) -> list[EditRecord]:
    """Unrelated texts that ask nothing of what is scored."""
    texts = (
        EditRecord(entry.record.id, "", "", irrelevant=entry.unrelated, irrelevant_prompt=entry.unrelated_prompt)
        for entry in entries
        if entry.unrelated
    )
    return clear_of(list(texts), *asked)
