"""CounterFact in its flat form: a false object for a fact, and the same relation of a neighbour (Meng et al. 2022)."""

from __future__ import annotations

from wise.datasets.published.dataset import Published
from wise.datasets.published.raw_files import EASYEDIT_ARCHIVE, GITHUB, SPREAD, Source
from wise.datasets.published.raw_rows import Entry, Row
from wise.records import EditRecord, Probe


def convert(row: Row, name: str) -> Entry:
    """The neighbour has the object that the edited subject truly has, so its question is close to the edit."""
    target, original = row.text("target_new"), row.text("ground_truth")
    question, answer = row.text("locality_prompt"), row.text("locality_ground_truth")
    record = EditRecord(
        id=name,
        prompt=row.text("prompt"),
        target=target,
        subject=row.text("subject"),
        probes=(
            Probe("paraphrase", row.text("rephrase_prompt"), target),
            Probe("locality_near", question, answer, "neighbourhood"),
        ),
        original=original,
    )
    return Entry.beside(record, Probe("locality_far", question, answer, "unrelated"), target == original)


COUNTERFACT = Published(
    convert,
    edits=Source(
        "counterfact-edit.json",
        "counterfact",
        (f"{GITHUB}/{SPREAD}/counterfact/counterfact-edit.json",),
        3950774,
        "bfe31a7081932739406e282bb625d74222549c3386c15b1df3dfbc3978c69eec",
        "published with ROME and EasyEdit (code: MIT)",
        EASYEDIT_ARCHIVE,
    ),
    train_limit=1000,
    held_out=4000,
)
