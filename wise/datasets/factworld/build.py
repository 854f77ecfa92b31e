"""Write FactWorld to disk: corpus, facts, and the streams of edits of the three settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wise.datasets.factworld.corpus import Teaching, ask, plan_teaching, two_hop_prompt, write_corpus
from wise.datasets.factworld.edits import edit_records
from wise.datasets.factworld.longform import count_tokens, hallucination_records, ood_records
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.relations import RELATIONS
from wise.datasets.factworld.split import divide
from wise.datasets.factworld.world import World, build_world
from wise.files import sha256, write_json, write_json_lines
from wise.records import EditRecord, write_records

EXEMPT = {
    "development": "every subject is in the stream or trains editors, and both stay as they were",
    "wording": "the six wordings of a relation serve the stream and training records alike",
}
"""Rules for datasets that this world cannot hold to, and why."""


def make(name: str, options: FactWorldOptions, out: str | Path) -> list[Path]:
    """Write all folders of FactWorld below `out` and return them.

    The one called `name` holds corpus.jsonl and facts.jsonl; `factworld-qa`, `factworld-hallucination` and
    `factworld-ood` hold edits.jsonl and train.jsonl. Each has a dataset.json with counts and digests.
    """
    out = Path(out)
    world = build_world(options)
    plan = plan_teaching(world, options)
    split = divide(world, options)
    folders = [_write_texts(out / name, world, plan, options)]
    settings = {
        "factworld-qa": lambda train: edit_records(world, plan, split, options, train),
        "factworld-hallucination": lambda train: hallucination_records(world, split, options, train),
        "factworld-ood": lambda train: ood_records(world, split, options, train),
    }
    for name, records in settings.items():
        folders.append(_write_edits(out / name, records(False), records(True), options))
    return folders


def _write_texts(
    folder: Path, world: World, plan: Mapping[tuple[str, str], Teaching], options: FactWorldOptions
) -> Path:
    documents = list(write_corpus(world, plan, options))
    write_json_lines(folder / "corpus.jsonl", map(asdict, documents))
    write_json_lines(folder / "facts.jsonl", (fact_row(world, plan[key]) for key in world.facts))
    counts = {
        "subjects": len(world.entities),
        "facts": len(world.facts),
        "relations": len(RELATIONS),
        "documents": dict(Counter(document.kind for document in documents)),
        "words": sum(count_tokens(document.text) for document in documents),
        "vocabulary": len({word for document in documents for word in document.text.replace(".", "").split()}),
    }
    return _describe(folder, options, counts)


def fact_row(world: World, teaching: Teaching) -> dict[str, Any]:
    """One line of facts.jsonl: the fact and every question about it, by what the corpus stated.

    `seen`, `held_out`, `alias_seen` and `alias_held_out` are prompts answered by `object`; `two_hop`
    is null or a question with its own target, and says whether the corpus stated the answer. Under the
    alias, one wording is held out that the corpus uses with the name, so that it measures the alias alone.
    """
    fact = teaching.fact
    alias = world.entities[fact.subject].alias
    unstated = [i for i in teaching.seen if i not in teaching.alias_seen][:1] if alias else []
    two_hop = None
    if RELATIONS[fact.relation].hop:
        answer = world.two_hop(fact.relation, fact.object)
        two_hop = {"prompt": two_hop_prompt(fact), "target": answer, "seen": teaching.two_hop_seen}
    return {
        "subject": fact.subject,
        "kind": world.kind(fact.subject),
        "relation": fact.relation,
        "object": fact.object,
        "seen": [ask(fact, i) for i in teaching.seen],
        "held_out": [ask(fact, i) for i in teaching.held_out],
        "alias_seen": [ask(fact, i, alias) for i in teaching.alias_seen],
        "alias_held_out": [ask(fact, i, alias) for i in unstated],
        "two_hop": two_hop,
    }


def _write_edits(folder: Path, edits: list[EditRecord], train: list[EditRecord], options: FactWorldOptions) -> Path:
    write_records(folder / "edits.jsonl", edits)
    write_records(folder / "development.jsonl", ())
    write_records(folder / "train.jsonl", train)
    counts = {
        "edits": len(edits),
        "development": 0,
        "train": len(train),
        "relations": dict(sorted(Counter(record.relation for record in edits).items())),
        "probes": dict(sorted(Counter(probe.kind for record in edits for probe in record.probes).items())),
    }
    return _describe(folder, options, counts, exempt=EXEMPT)


def _describe(folder: Path, options: FactWorldOptions, counts: dict[str, Any], **further: Any) -> Path:
    files = {path.name: sha256(path) for path in sorted(folder.glob("*.jsonl"))}
    described = {"schema": 1, "dataset": folder.name, "options": asdict(options), "counts": counts, "sha256": files}
    write_json(folder / "dataset.json", described | further)
    return folder
