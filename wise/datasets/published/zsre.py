"""ZsRE: questions on relations of Wikidata, with Natural Questions for locality (Levy et al. 2017; MEND's form)."""

from __future__ import annotations

from wise.datasets.published.dataset import Published
from wise.datasets.published.raw_files import (
    EASYEDIT_LICENCE,
    GITHUB,
    GITHUB_LARGE,
    LOCFT,
    LOCFT_HOME,
    REPAIR,
    ROME,
    SPREAD,
    WISE_ARCHIVE,
    Source,
)
from wise.datasets.published.raw_rows import Entry, Row
from wise.records import EditRecord, Probe


def convert(row: Row, name: str) -> Entry:
    """`src`, `alt` and `rephrase` are edit and paraphrase; `loc` is asked as it stands, as the released WISE does."""
    target, question, answer = row.text("alt"), row.text("loc"), row.text("loc_ans")
    known = row.texts("answers") or ([row.text("pred")] if "pred" in row else [])
    bystander = Probe("locality_far", question, answer, "natural_questions")
    probes = [Probe("paraphrase", row.text("rephrase"), target), bystander]
    if hop := row.inner("portability"):
        probes.append(Probe("portability", hop.text("New Question"), hop.text("New Answer"), "one_hop"))
    record = EditRecord(
        id=name,
        prompt=row.text("src"),
        target=target,
        subject=row.text("subject"),
        probes=tuple(probes),
        original=known[0] if known else "",
    )
    answers = row.value.get("answers")
    no_op = isinstance(answers, list) and row.value.get("alt") in answers
    return Entry.beside(record, bystander, no_op)


ZSRE = Published(
    convert,
    edits=Source(
        "zsre_mend_edit.json",
        "zsre",
        (f"{GITHUB_LARGE}/{REPAIR}/ZsRE/zsre_mend_edit.json",),
        842861,
        "0cf155da229b2eccae19fcfe5f7a09523363d357f5f15508d1521f495ad5ecd9",
        EASYEDIT_LICENCE,
        WISE_ARCHIVE,
    ),
    train=Source(
        "zsre_mend_train.json",
        "zsre",
        (f"{ROME}/zsre_mend_train.json", f"{GITHUB_LARGE}/{REPAIR}/ZsRE/zsre_mend_train.json"),
        69136174,
        "4f3ac245e9c0baaf633f9e6cb765ffa8e83d594a74520a6cc3539497328c0722",
        "published with MEND and ROME (code: MIT)",
        WISE_ARCHIVE,
    ),
    train_limit=2000,
    others=(
        Source(
            "zsre_mend_eval.json",
            "zsre",
            (f"{ROME}/zsre_mend_eval.json", f"{GITHUB_LARGE}/{REPAIR}/ZsRE/zsre_mend_eval.json"),
            8091864,
            "8a371d512f8a6ab175db4ef672181d5c0e52da23298cb51e5a2eeea2f89aa9cd",
            "published with MEND and ROME (code: MIT)",
            "https://rome.baulab.info/data/",
        ),
        Source(
            "zsre_3k.json",
            "zsre",
            (f"{GITHUB}/{LOCFT}/zsre/zsre_3k.json",),
            1584964,
            "45431e9b32d2dea71b6697a47433e88551a8bdf8c4fb5756779038fd8d7f82dc",
            "published with LocFT (code: MIT)",
            LOCFT_HOME,
        ),
        Source(
            "zsre_mend_train-1k.json",
            "zsre",
            (f"{GITHUB}/{SPREAD}/zsre/zsre_mend_train-1k.json",),
            537970,
            "e62596101d8ed551889c26c0d2a5277f92eaef3b14416d8eaee39b04a244ab60",
            "published with MEND (code: MIT)",
            "https://github.com/Jometeorie/KnowledgeSpread",
        ),
    ),
)
