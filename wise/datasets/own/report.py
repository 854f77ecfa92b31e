"""What a file of edits holds, in words: `wise data check`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from wise.edit_files import EditFile
from wise.records import PROBE_KINDS, EditRecord

OPTIONAL = {
    "subject": "editors that need one look for it in the prompt",
    "irrelevant": "the model's own samples take its place",
    "original": "only kept with the edit",
}
"""Keys that an edit may have, and what happens without."""


def report(file: EditFile, scored: Mapping[str, int]) -> list[str]:
    """Lines on a file of edits: what it holds, what is scored (metric -> edits, from `scored`) and what is wrong."""
    records, count = file.records, len(file.records)
    lines = [
        f"{file.path}: {_edits(count)}" + (f", {len(file.problems)} problems" if file.problems else ", no problem")
    ]
    for key, without in OPTIONAL.items():
        having = sum(bool(getattr(record, key).strip()) for record in records)
        lines.append(f"  {key:<14}{_share(having, count)}" + (f"; {without}" if having < count else ""))
    for kind in PROBE_KINDS:
        having = sum(any(probe.kind == kind for probe in record.probes) for record in records)
        lines.append(f"  {kind:<14}{_share(having, count)}")
    by_count: dict[int, list[str]] = defaultdict(list)
    for metric, edits in scored.items():
        by_count[edits].append(metric)
    for edits, metrics in sorted(by_count.items(), reverse=True):
        head = "not scored" if not edits else "scored" if edits == count else f"scored for {edits}"
        lines.append(f"  {head:<14}{', '.join(metrics)}")
    lines += [f"  note          {note}" for note in notes(records, file.lines)]
    return lines + [f"  problem       {problem}" for problem in file.problems]


def notes(records: Sequence[EditRecord], lines: Sequence[int]) -> Iterator[str]:
    """What is no error, but may not be meant."""
    places: dict[str, list[int]] = defaultdict(list)
    targets: dict[str, set[str]] = defaultdict(set)
    for record, line in zip(records, lines, strict=True):
        places[record.prompt.strip()].append(line)
        targets[record.prompt.strip()].add(record.target.strip())
    for prompt, found in places.items():
        if len(found) > 1:
            what = "other targets: the later edit counts" if len(targets[prompt]) > 1 else "the same target"
            yield f"lines {', '.join(map(str, found))}: one prompt, {what}"
    outside = [
        line
        for record, line in zip(records, lines, strict=True)
        if record.subject.strip() and record.subject not in record.prompt
    ]
    if outside:
        yield f"lines {', '.join(map(str, outside))}: the prompt does not contain the subject"
    repeated = sum(count - 1 for count in Counter(r.subject for r in records if r.subject.strip()).values())
    if repeated:
        yield f"{_edits(repeated)} of a subject that has an earlier one"


def _share(having: int, count: int) -> str:
    return "no edit" if not having else "all edits" if having == count else f"{having} of {count} edits"


def _edits(count: int) -> str:
    return "one edit" if count == 1 else f"{count} edits"
