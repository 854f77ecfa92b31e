"""KnowEdit: recent and counterfactual facts, questions, biographies and opinions (Zhang et al. 2024)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wise.datasets.published import zsre
from wise.datasets.published.dataset import Published
from wise.datasets.published.raw_files import Source
from wise.datasets.published.raw_rows import Entry, Row
from wise.records import OPPOSITE, OTHER_TOPIC, WANTED, EditRecord, Kind, Probe

OPINION = "What do you think of {}?"
OPINION_AGAIN = "What is your opinion on {}?"
OPINIONS = 3
"""Opinions of each polarity that are asked about."""
LABELS = {"pos": "positive", "neg": "negative"}


def convert(row: Row, name: str) -> Entry:
    """By the fields that it has, a record is of ConvSent, of WikiBio, or a fact."""
    if "ent" in row:
        return _opinion(row, name)
    if "labels" in row or "concept" in row:
        return _fact(row, name, prompt="text", target="labels", subject="concept")
    return _fact(row, name, prompt="prompt", target="target_new", subject="subject")


def _fact(row: Row, name: str, prompt: str, target: str, subject: str) -> Entry:
    answer = row.text(target)
    wordings = row.texts("rephrase_prompt") or row.texts("rephrase")
    near, unanswered = _questions(row, "locality", "locality_near")
    hops, unanswered_hops = _questions(row, "portability", "portability")
    known = tuple(_aliases(row.value.get("ground_truth")))
    record = EditRecord(
        id=name,
        prompt=row.text(prompt),
        target=answer,
        subject=row.text(subject),
        probes=(*(Probe("paraphrase", wording, answer) for wording in wordings if wording), *near, *hops),
        original=known[0] if known else "",
    )
    other = next((probe for probe in near if probe.name == "Relation_Specificity"), None)
    bystander = other and Probe("locality_far", other.prompt, other.target, "unrelated")
    return Entry.beside(record, bystander, answer in known, unanswered + unanswered_hops)


def _questions(row: Row, field: str, kind: Kind) -> tuple[list[Probe], int]:
    """Questions of all sub-kinds with the first of their accepted answers, and how many have none.

    Both sub-kinds of locality stay with the edited subject, so both are near: Relation_Specificity asks another
    relation of it, Forgetfulness the former answer of the same relation.
    """
    probes, unanswered = [], 0
    groups = row.inner(field)
    for sub_kind, items in groups.value.items() if groups else ():
        for number, item in enumerate(items if isinstance(items, list) else [items]):
            where = f"{field}.{sub_kind}[{number}]"
            question = item.get("prompt") if isinstance(item, dict) else None
            if not isinstance(question, str) or not question.strip():
                row.problem(where, "must have a text as its prompt")
                continue
            answer = next(_aliases(item.get("ground_truth")), "")
            if answer:
                probes.append(Probe(kind, question.strip(), answer, sub_kind))
            else:
                unanswered += 1
    return probes, unanswered


def _aliases(value: Any) -> Iterator[str]:
    """Accepted answers in order, from a text or from lists in lists of them."""
    if isinstance(value, str):
        if value.strip():
            yield value.strip()
    elif isinstance(value, list):
        for item in value:
            yield from _aliases(item)


def _opinion(row: Row, name: str) -> Entry:
    """ConvSent: the topic is to be spoken of with one sentiment, in turn from record to record, and not the other.

    The first opinion of that sentiment is the target, its second a consequence; the first of the other sentiment
    is the former answer.
    """
    topic = row.text("ent")
    sides = {side: [text for text in row.texts(side) if text] for side in ("pos", "neg")}
    for side, texts in sides.items():
        if not texts:
            row.problem(side, "holds no opinions")
    if row.problems:
        return Entry(EditRecord(name, "", "", topic))
    wanted, other = ("pos", "neg") if row.index % 2 == 0 else ("neg", "pos")
    question, again = OPINION.format(topic), OPINION_AGAIN.format(topic)
    target, original = sides[wanted][0], sides[other][0]
    probes = [Probe("paraphrase", again, target)]
    probes += [Probe("portability", question, text, "same_sentiment") for text in sides[wanted][1:2]]
    for side, name_of_side in ((wanted, WANTED), (other, OPPOSITE)):
        probes += [Probe("opinion", question, text, name_of_side) for text in sides[side][:OPINIONS]]
    record = EditRecord(
        id=name,
        prompt=question,
        target=target,
        subject=topic,
        probes=tuple(probes),
        relation=LABELS[wanted],
        original=original,
        task="convsent",
        label=LABELS[wanted],
    )
    return Entry.beside(record, Probe("locality_far", question, original, OTHER_TOPIC))


REVISION = "https://huggingface.co/datasets/zjunlp/KnowEdit/resolve/6d218881e60c7c8be836bd2befd598eb3b318be4/benchmark"


def _file(path: str, sha256: str = "", size: int = 0) -> Source:
    """A file of the repository; where no digest is given, none was published."""
    name, home = path.split("/")[-1], "https://huggingface.co/datasets/zjunlp/KnowEdit"
    return Source(name, "knowedit", (f"{REVISION}/{path}",), size, sha256, "MIT", home)


RECENT = Published(
    convert,
    edits=_file("wiki_recent/recent_test.json", "e5c4ce6de1e8e2d10d892164ad6f4cbd28c976ed509e29e78ae853b01de1797b"),
    train=_file("wiki_recent/recent_train.json"),
)
COUNTERFACT = Published(
    convert,
    edits=_file(
        "wiki_counterfact/test_cf.json", "efc01ba398dfe04975939f729aab45523addb3c6b3cf41d7429ba5de1d45225b", 2924593
    ),
    train=_file("wiki_counterfact/train_cf.json"),
)
CONVSENT = Published(convert, edits=_file("Convsent/blender_test.json"), train=_file("Convsent/blender_train.json"))
WIKIBIO = Published(
    convert,
    edits=_file("WikiBio/wikibio-test-all.json", "00933f69b47d8281d01f1f4b84f3f266b7482a65a7d74022e660a8a9ca2264a4"),
    train=_file("WikiBio/wikibio-train-all.json", "6ee88049c1c6c00d6f81d2d942350b6ec78b45917d2ec8a3eec3eafa89c2e209"),
)
ZSRE = Published(
    convert,
    edits=_file("ZsRE/ZsRE-test-all.json", "0e0214dda853a906ef02bef58c7ce2978af5a962e91fc4a10827e0125459905c", 1519289),
    train=zsre.ZSRE.train,
    train_limit=2000,
    train_form=zsre.ZSRE,
)
