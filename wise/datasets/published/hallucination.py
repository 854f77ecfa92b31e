"""SelfCheckGPT: the next true sentence after a passage that GPT-3 made up in part, web text for locality."""

from __future__ import annotations

from dataclasses import replace

from wise.datasets.published.dataset import Published
from wise.datasets.published.raw_files import EASYEDIT_LICENCE, GITHUB, REPAIR, WISE_ARCHIVE, Source
from wise.datasets.published.raw_rows import Entry, Row
from wise.records import EditRecord, Probe


def convert(row: Row, name: str) -> Entry:
    """The passage so far is the prompt, the sentence of the encyclopedia the target; there is no paraphrase."""
    record = EditRecord(id=name, prompt=row.text("prompt"), target=row.text("target_new"), subject=row.text("subject"))
    return with_cut_text(row, record)


def with_cut_text(row: Row, record: EditRecord) -> Entry:
    """Add web text that the authors cut after 150 characters, often within a word: its beginning, then its end.

    A text that was shorter has no second part, so that there is nothing to ask. The two parts without a space between
    them are the text as it was.
    """
    first = row.text("locality_prompt")
    second = row.verbatim("locality_ground_truth")
    whole = " ".join((row.verbatim("locality_prompt") + second).split()) if first else ""
    if not second.strip():
        return Entry(record, unrelated=whole, unanswered=1)
    bystander = Probe("locality_far", first, second.strip(), "web_text")
    probes = (*record.probes, bystander)
    return Entry(replace(record, probes=probes), bystander, whole, " ".join(first.split()))


HALLUCINATION = Published(
    convert,
    edits=Source(
        "hallucination-edit.json",
        "hallucination",
        (f"{GITHUB}/{REPAIR}/hallucination/hallucination-edit.json",),
        538052,
        "523ce88b5299047bf58ea3ad8b7e9d12635592543df54b58c8eaf16d5e68aaaf",
        EASYEDIT_LICENCE,
        WISE_ARCHIVE,
    ),
    train=Source(
        "hallucination-train.json",
        "hallucination",
        (),
        274920,
        "ef280a0ce9aa194c545e7a1c7983df181b8e48dbfb1945ffe40e1903cca0d297",
        EASYEDIT_LICENCE,
        WISE_ARCHIVE,
    ),
    held_out=100,
)
