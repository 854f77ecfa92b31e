"""ZsRE: questions on relations of Wikidata, with Natural Questions for locality (Levy et al. 2017; MEND's form)."""

from __future__ import annotations

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
    return Entry(record, f"{question} {answer}", bystander, no_op)
