"""The table of datasets: one line each, from which rules, schema, checks, commands and lists are derived.

The rules are read anew in every job, so nothing here imports a dataset's modules before they are needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from wise.errors import ConfigError, DataError, shown, unknown


class Dataset(Protocol):
    """What the place of an entry holds: a module with these functions, or an object with these methods."""

    def make(self, name: str, options: Any, out: Path) -> list[Path]:
        """Write the folders of the dataset called `name` below `out` and return them."""
        ...

    def fetch(self, name: str, options: Any, out: Path) -> list[Path]:
        """Bring the raw files together in the folder `out`. Only a dataset with raw files has this, and the function
        `convert`, which turns one of their records into an edit (`wise.datasets.published.raw_rows.Convert`).
        """
        ...


class Entry(NamedTuple):
    """One dataset, as far as it is known without importing it.

    `place`: its module, or "module:object", see `Dataset`. `options`: "module:Class" of its options, in a module that
    is cheap to import. `streams`: the edit streams that it writes; by default one, of the dataset's own name. `corpus`:
    it also writes a folder of its own name with texts to pretrain on. `raw`: it is made from files that are fetched.
    """

    place: str
    options: str
    description: str
    streams: tuple[str, ...] = ()
    corpus: bool = False
    raw: bool = False


def _published(place: str, description: str) -> Entry:
    options = "wise.datasets.published.options:RealOptions"
    return Entry(f"wise.datasets.published.{place}", options, description, raw=True)


DATASETS: dict[str, Entry] = {
    "factworld": Entry(
        "wise.datasets.factworld.build",
        "wise.datasets.factworld.options:FactWorldOptions",
        "FactWorld: a small invented world, the texts that teach it, and the edits that contradict them.",
        streams=("factworld-qa", "factworld-tasks", "factworld-hallucination", "factworld-ood"),
        corpus=True,
    ),
    "zsre": _published("zsre:ZSRE", "ZsRE: 1037 questions with paraphrases and one-hop consequences."),
    "hallucination": _published(
        "hallucination:HALLUCINATION", "SelfCheckGPT: 600 true sentences after passages that were made up in part."
    ),
    "temporal": _published(
        "temporal:TEMPORAL", "Temporal: 75 paragraphs on recent things, asked for in Wikipedia's words."
    ),
    "counterfact": _published("counterfact:COUNTERFACT", "CounterFact: 9000 false facts of one token, 1000 held out."),
    "wikibigedit": _published("wikibigedit:WIKIBIGEDIT", "WikiBigEdit: 3000 questions on what changed in Wikidata."),
    "knowedit-recent": _published("knowedit:RECENT", "KnowEdit, WikiData recent: facts since July 2022."),
    "knowedit-counterfact": _published("knowedit:COUNTERFACT", "KnowEdit, WikiData counterfact: false facts."),
    "knowedit-convsent": _published("knowedit:CONVSENT", "KnowEdit, ConvSent: opinions on topics."),
    "knowedit-wikibio": _published("knowedit:WIKIBIO", "KnowEdit, WikiBio: true sentences of biographies."),
    "knowedit-zsre": _published("knowedit:ZSRE", "KnowEdit, ZsRE: questions with consequences."),
    "real-tasks": _published(
        "mixture:REAL_TASKS", "Edits of three tasks: WikiBigEdit (recent), CounterFact, ZsRE (questions)."
    ),
    "knowedit-tasks": _published(
        "mixture:KNOWEDIT_TASKS", "InstructEdit's tasks: KnowEdit's recent, counterfact and convsent, with ZsRE."
    ),
    "counterfact-corpus": Entry(
        "wise.datasets.counterfact_corpus.build",
        "wise.datasets.counterfact_corpus.options:CounterFactCorpusOptions",
        "CounterFact's true facts as a corpus to learn, and edits of facts that were learned.",
        streams=("counterfact-taught",),
        corpus=True,
        raw=True,
    ),
}
"""Every dataset by name."""

OWN = Entry("wise.datasets.own.build", "wise.datasets.own.options:OwnOptions", "A file of edits of your own.")
"""What any other name stands for, once the configuration or the command line says where its file is."""


def streams(name: str) -> tuple[str, ...]:
    """Names of the edit streams that a registered dataset writes."""
    chosen = DATASETS[name]
    return chosen.streams or (() if chosen.corpus else (name,))


def folders(name: str) -> tuple[str, ...]:
    """Names of all folders that a registered dataset writes."""
    return ((name,) if DATASETS[name].corpus else ()) + streams(name)


def is_single(stream: str) -> bool:
    """Whether an edit stream is all that its dataset writes."""
    return stream not in STREAMS or (stream in DATASETS and folders(stream) == (stream,))


STREAMS: tuple[str, ...] = tuple(stream for name in DATASETS for stream in streams(name))
"""Every edit stream: a folder of data with edits.jsonl, development.jsonl and train.jsonl."""

CORPORA: tuple[str, ...] = tuple(name for name, entry in DATASETS.items() if entry.corpus)
"""Every folder of data with a corpus.jsonl to pretrain on and a facts.jsonl to ask about."""

RAW: tuple[str, ...] = tuple(name for name, entry in DATASETS.items() if entry.raw)
"""Datasets that are made from files which are fetched first."""


def entry(name: str, options: Any = None) -> Entry:
    """The line of a dataset; that of one's own data where `options` say which file of edits it is made from.

    Raises `ConfigError` with the valid names for any other.
    """
    if name in DATASETS:
        return DATASETS[name]
    if name in STREAMS:
        owner = next(dataset for dataset in DATASETS if name in streams(dataset))
        raise ConfigError(f"'{name}' is one of the edit streams of dataset '{owner}'; name the dataset")
    if isinstance(options, dict) and "edits" in options:
        from wise.options import NAME  # late: those who only ask for names need not wait for it

        if not re.fullmatch(NAME, name):  # it becomes a folder
            raise ConfigError(
                f"dataset {shown(name)}: a name has letters, digits, '.', '_' and '-', no such sign in front"
            )
        return OWN
    raise ConfigError(f"{unknown('dataset', name, DATASETS)}; a file of your own needs the option 'edits'")


def options_class(chosen: Entry) -> type:
    """The class of a dataset's options."""
    return _imported(chosen.options)


def make(name: str, chosen: Entry, options: Any, out: Path) -> list[Path]:
    """Write a dataset below `out`; returns its folders.

    Raises `DataError` where they are not those of its line, and where what editors learn from is asked as well
    (`wise.datasets.stream_folder.require_sound`): every dataset is made here, so none gets by.
    """
    made = _imported(chosen.place).make(name, options, out)
    promised = [name] if chosen is OWN else list(folders(name))
    if [folder.name for folder in made] != promised:
        found = ", ".join(folder.name for folder in made)
        raise DataError(f"dataset '{name}' wrote {found}, and its line in wise/datasets/registry.py says {promised}")
    from wise.datasets.stream_folder import require_sound  # late: those who only ask for names need not wait for it

    for folder in made:
        if chosen is OWN or folder.name in streams(name):
            require_sound(folder)
    return made


def fetch(name: str, options: Any, out: Path) -> Sequence[Path]:
    """Bring the raw files of a dataset together in `out`."""
    return _imported(raw_entry(name).place).fetch(name, options, out)


def raw_entry(name: str) -> Entry:
    """As `entry`, for a dataset that is made from raw files; raises `ConfigError` for another."""
    if name not in DATASETS:
        raise unknown("dataset with raw files", name, RAW)
    chosen = DATASETS[name]
    if not chosen.raw:
        raise ConfigError(f"dataset '{name}' is made here, from no files. Datasets with files: {', '.join(RAW)}")
    return chosen


def raw_form(name: str) -> Any:
    """The function that turns a raw record of a dataset into an edit (`wise.datasets.published.raw_rows.Convert`)."""
    return _imported(raw_entry(name).place).convert


def _imported(place: str) -> Any:
    """The module, or the object of a module, that "module" or "module:object" names."""
    module, _, attribute = place.partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found
