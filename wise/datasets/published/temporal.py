"""Temporal: what is new about a person or thing, asked for in the words of its Wikipedia article (Hewitt et al.)."""

from __future__ import annotations

from wise.datasets.published.dataset import Published
from wise.datasets.published.hallucination import with_cut_text
from wise.datasets.published.raw_files import EASYEDIT_LICENCE, GITHUB, REPAIR, WISE_ARCHIVE, Source
from wise.datasets.published.raw_rows import Entry, Row
from wise.records import EditRecord, Probe


def convert(row: Row, name: str) -> Entry:
    """A paragraph for a bare name is the edit; out of distribution, the article's text on it is to be continued.

    Where that text begins with the edit's prompt, the prompt is the question. Other texts begin with a fuller or
    another name; their own first words, as many as the prompt has, are the question then.
    """
    prompt = row.text("prompt")
    text = row.text("ood_rephrase")
    words = len(prompt.split())
    if _begins(text, prompt):
        start, rest = prompt, text[len(prompt) :].strip()
    else:
        start, rest = " ".join(text.split()[:words]), "".join(text.split(maxsplit=words)[words:])
    if text and not rest:
        row.problem("ood_rephrase", "has nothing after its first words")
    record = EditRecord(
        id=name,
        prompt=prompt,
        target=row.text("target_new"),
        subject=row.text("subject"),
        probes=(Probe("ood", start, rest, "same_start" if start == prompt else "other_start"),),
    )
    return with_cut_text(row, record)


def _begins(text: str, prompt: str) -> bool:
    """Whether the text begins with the prompt and not with a longer word."""
    return text.startswith(prompt) and not text[len(prompt) : len(prompt) + 1].isalnum()


TEMPORAL = Published(
    convert,
    edits=Source(
        "temporal-edit.json",
        "temporal",
        (f"{GITHUB}/{REPAIR}/temporal/temporal-edit.json",),
        158826,
        "3c27956224d56111762e7b56ca0595dc638cc005faaf322a01c48ecd5283aef8",
        EASYEDIT_LICENCE,
        WISE_ARCHIVE,
    ),
    train=Source(
        "temporal-train.json",
        "temporal",
        (f"{GITHUB}/{REPAIR}/temporal/temporal-train.json",),
        155949,
        "0ba8c40de49bd0d0ffc1da69ac17fcfce6db8c32bf36a7df5c88730b48e1172a",
        EASYEDIT_LICENCE,
        WISE_ARCHIVE,
    ),
)
