"""Write the corpus of CounterFact's true facts, the questions about them, and the edits of facts that it teaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wise.datasets.counterfact_corpus.options import CounterFactCorpusOptions
from wise.datasets.counterfact_corpus.teaching import Chosen, Taught, choose, plan_teaching, sentences, state
from wise.datasets.counterfact_corpus.wordings import Case, Wordings
from wise.datasets.files import DEVELOPMENT, STREAM, TRAIN
from wise.datasets.published.build import read_file
from wise.datasets.published.counterfact import COUNTERFACT
from wise.datasets.published.options import RealOptions
from wise.datasets.published.raw_rows import Entry
from wise.datasets.published.roles import STREAM_SHARE, questions, unrelated, with_far, with_irrelevant
from wise.errors import DataError
from wise.files import sha256, write_json, write_json_lines
from wise.records import write_records

TAUGHT = "counterfact-taught"
"""Folder of the edits; the corpus has that of the dataset."""
RAW = "counterfact"
"""The published dataset that both are made from."""
convert = COUNTERFACT.convert


def fetch(name: str, options: CounterFactCorpusOptions, out: str | Path) -> list[Path]:
    """The raw file of CounterFact, in the folder of downloads."""
    return COUNTERFACT.fetch(RAW, _raw_options(options), out)


def make(name: str, options: CounterFactCorpusOptions, out: str | Path) -> list[Path]:
    """Write both folders below `out` and return them.

    The one called `name` holds corpus.jsonl and facts.jsonl, `counterfact-taught` the edits, development and training
    records; each has a dataset.json. Raises `DataError` where the file has fewer usable records than `options` ask for.
    """
    raw = _raw_options(options)
    path = COUNTERFACT.paths(raw, out)[0]
    entries, _ = read_file(path, COUNTERFACT.convert, RAW, raw)
    cases = [Case.of(entry.record) for entry in entries]
    wordings = Wordings(cases)
    chosen = choose([entry.record for entry in entries], cases, wordings, options)
    for role in ("edits", "development", "train", "far"):
        found, wanted = len(getattr(chosen, role)), getattr(options, role)
        if found < wanted:
            raise DataError(f"{path}: {found} records are left for '{role}', fewer than the {wanted} asked for")
    edited = [cases[index] for index in (*chosen.edits, *chosen.development, *chosen.train)]
    plan = plan_teaching(edited, wordings, options, [cases[index] for index in chosen.far])
    before = sentences([cases[index] for index in chosen.others], wordings, options)
    folders = [
        _write_corpus(Path(out) / name, plan, before, options),
        _write_edits(Path(out) / TAUGHT, entries, chosen, options),
    ]
    for folder in folders:
        described = {"schema": 1, "dataset": folder.name, "options": _lasting(options)}
        files = {file.name: sha256(file) for file in sorted(folder.glob("*.jsonl"))}
        counts = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in _lines_of(folder)}
        source = {path.name: sha256(path)}
        write_json(folder / "dataset.json", described | {"sources": source, "counts": counts, "sha256": files})
    return folders


def _raw_options(options: CounterFactCorpusOptions) -> RealOptions:
    return RealOptions(
        files=options.files, local_dir=options.local_dir, offline=options.offline, invalid=options.invalid
    )


def _write_corpus(
    folder: Path, plan: Sequence[Taught], before: Sequence[str], options: CounterFactCorpusOptions
) -> Path:
    statements = [statement for taught in plan for statement in state(taught, before, options)]
    documents = ({"kind": "fact", "subject": s.subject, "text": s.text, "answers": [s.answer]} for s in statements)
    write_json_lines(folder / "corpus.jsonl", documents)
    write_json_lines(folder / "facts.jsonl", map(_fact_row, plan))
    return folder


def _fact_row(taught: Taught) -> dict[str, Any]:
    """One line of facts.jsonl, as FactWorld writes them; these facts have neither aliases nor consequences."""
    return {
        "subject": taught.subject,
        "relation": taught.seen[0].wording,
        "object": taught.answer,
        "seen": [question.prompt for question in taught.seen],
        "held_out": [question.prompt for question in taught.held_out],
        "alias_seen": [],
        "alias_held_out": [],
        "two_hop": None,
    }


def _write_edits(folder: Path, entries: Sequence[Entry], chosen: Chosen, options: CounterFactCorpusOptions) -> Path:
    """Unrelated texts come from training records, far locality from records of its own; the model was taught both."""
    cut = round(STREAM_SHARE * len(chosen.far))
    files = {
        STREAM: (chosen.edits, chosen.far[:cut]),
        DEVELOPMENT: (chosen.development, chosen.far[cut:]),
        TRAIN: (chosen.train, chosen.train),
    }
    far = {file: questions([entries[index] for index in lenders]) for file, (_, lenders) in files.items()}
    records = {
        file: with_far([entries[index].record for index in indices], far[file], options.seed)
        for file, (indices, _) in files.items()
    }
    texts = unrelated([entries[index] for index in chosen.train], records[STREAM], records[DEVELOPMENT])
    for file in files:
        given = with_irrelevant(records[file], texts, shift=int(file == TRAIN))
        write_records(folder / f"{file}.jsonl", given)
    return folder


def _lines_of(folder: Path) -> list[tuple[str, Path]]:
    return [(file.stem, file) for file in sorted(folder.glob("*.jsonl"))]


def _lasting(options: CounterFactCorpusOptions) -> dict[str, Any]:
    """Options that decide what is written; folders of this machine do not."""
    return {key: value for key, value in asdict(options).items() if key not in ("files", "local_dir", "offline")}
