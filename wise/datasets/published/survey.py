"""What a file of records holds: lengths, peculiarities that are no errors, and a report of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from wise.datasets.published.raw_rows import Convert, Entry, convert_rows, read_rows

LONG = 190
"""Words of prompt and target together that are about 254 tokens, the longest text that the WISE paper keeps."""

QUIRKS = {
    "no_op": "the target, as published, is an accepted answer already",
    "repeated_subject": "the subject has an earlier edit",
    "subject_not_in_prompt": "the prompt does not contain the subject",
    "prompt_is_subject": "the prompt is nothing but the subject",
    "unanswered": "locality or portability questions left out because they have no answer",
    "long": f"an edit or probe has more than {LONG} words",
}


def quirks(entries: Sequence[Entry]) -> dict[str, int]:
    """How many records (questions for "unanswered") have each peculiarity of `QUIRKS`, in that order."""
    subjects = Counter(entry.record.subject for entry in entries)
    counts = {
        "no_op": sum(entry.no_op for entry in entries),
        "repeated_subject": len(entries) - len(subjects),
        "subject_not_in_prompt": sum(entry.record.subject not in entry.record.prompt for entry in entries),
        "prompt_is_subject": sum(entry.record.subject == entry.record.prompt for entry in entries),
        "unanswered": sum(entry.unanswered for entry in entries),
        "long": sum(max(_lengths(entry)) > LONG for entry in entries),
    }
    return {name: counts[name] for name in QUIRKS}


def words(entries: Sequence[Entry]) -> dict[str, list[float]]:
    """Least, median and greatest number of words of prompts and of targets."""
    sides: dict[str, Callable[[Entry], str]] = {
        "prompt": lambda entry: entry.record.prompt,
        "target": lambda entry: entry.record.target,
    }
    counts = {side: [len(text(entry).split()) for entry in entries] for side, text in sides.items()}
    return {side: [min(count), median(count), max(count)] for side, count in counts.items() if count}


def survey(path: str | Path, convert: Convert) -> tuple[list[str], int, int]:
    """Lines that report on a raw file, and how many records of it are sound and how many problems it has.

    Raises `DataError` for a file that is not JSON.
    """
    rows = read_rows(path)
    entries, problems = convert_rows(rows, convert, "record")
    fields = Counter(key for row in rows if isinstance(row, dict) for key in row)
    probes = Counter(probe.kind for entry in entries for probe in entry.record.probes)
    lines = [
        f"{path}: {len(rows)} records, {len(entries)} of them sound",
        f"  fields    {_listed(fields, len(rows))}",
        f"  probes    {_listed(probes)}",
    ]
    for side, (least, middle, most) in words(entries).items():
        lines.append(f"  {side:<9} {least:g} to {most:g} words, median {middle:g}")
    lines += [f"  quirk     {count} x {QUIRKS[name]}" for name, count in quirks(entries).items() if count]
    lines += [f"  problem   {problem}" for problem in problems]
    return lines, len(entries), len(problems)


def _lengths(entry: Entry) -> Iterator[int]:
    for _, probe in entry.record.questions():
        yield len(probe.prompt.split()) + len(probe.target.split())


def _listed(counts: Counter[str], usual: int = 0) -> str:
    """Names, with their counts where these are not the usual one."""
    return ", ".join(name if count == usual else f"{name} ({count})" for name, count in counts.items()) or "none"
