"""WikiBigEdit: what changed in Wikidata, as questions, in a subset of 3000 (Thede et al. 2025; LocFT's form)."""

from __future__ import annotations

from wise.datasets.published.dataset import Published
from wise.datasets.published.raw_files import GITHUB, LOCFT, LOCFT_HOME, Source
from wise.datasets.published.raw_rows import Entry, Row
from wise.records import EditRecord, Probe


def convert(row: Row, name: str) -> Entry:
    """The locality question is about a subject of a similar name, often in the same words, so it is near."""
    target = row.text("target_new")
    question, answer = row.text("locality_prompt"), row.text("locality_ground_truth")
    record = EditRecord(
        id=name,
        prompt=row.text("prompt"),
        target=target,
        subject=row.text("subject"),
        probes=(
            Probe("paraphrase", row.text("rephrase_prompt"), target),
            Probe("locality_near", question, answer, "similar_name"),
        ),
    )
    return Entry.beside(record, Probe("locality_far", question, answer, "unrelated"))


WIKIBIGEDIT = Published(
    convert,
    edits=Source(
        "wikibigedit_3k.json",
        "wikibigedit",
        (f"{GITHUB}/{LOCFT}/wikibigedit/wikibigedit_3k.json",),
        1269200,
        "0d8bd37239f9c6c0c2e34d4f95f59e749ab8cb9dccbf2517622da16386d9ca82",
        "published with LocFT (code: MIT)",
        LOCFT_HOME,
    ),
    train_limit=500,
    held_out=1500,
)
