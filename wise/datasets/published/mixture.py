"""Several published datasets as one stream of edits that name their task, for editors trained on many tasks.

Each part is made as it is alone. Then what the parts share is taken out, so that the whole keeps every rule of
`wise.datasets.leaks`: of two records that must not stand in two files, the training record goes, else that of
development.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from wise.datasets.files import DEVELOPMENT, STREAM, TRAIN
from wise.datasets.leaks import find_leaks
from wise.datasets.published import counterfact, knowedit, wikibigedit, zsre
from wise.datasets.published.build import describe
from wise.datasets.published.dataset import Published
from wise.datasets.published.options import RealOptions
from wise.datasets.published.raw_rows import Entry, Row
from wise.datasets.published.roles import without_changed
from wise.datasets.stream_folder import read_stream
from wise.errors import DataError
from wise.records import EditRecord, write_records

TRAIN_RECORDS = 500
"""Training records of a task, unless the options say."""

FILES = (STREAM, DEVELOPMENT, TRAIN)

Parts = dict[str, list[EditRecord]]
"""The records of each file."""


@dataclass(frozen=True)
class Part:
    """One task: the published dataset that it is taken from, and its training file where that is not the usual one."""

    source: Published
    train_file: str = ""

    def options(self, options: RealOptions) -> RealOptions:
        """Those of the mixture as this part takes them; which files are read is the part's own business."""
        limit = options.train_limit or TRAIN_RECORDS
        return replace(options, edit_file="", train_file=self.train_file, limit=0, train_limit=limit)


@dataclass(frozen=True)
class Mixture:
    """Tasks by name, each from a published dataset."""

    parts: Mapping[str, Part]

    def convert(self, row: Row, name: str) -> Entry:
        """A record of any part; those of ZsRE in MEND's form are told by their fields."""
        if "src" in row:
            return zsre.convert(row, name)
        flat = "locality_ground_truth" in row
        return (counterfact.convert if flat else knowedit.convert)(row, name)

    def fetch(self, name: str, options: RealOptions, out: str | Path) -> list[Path]:
        """The raw files of every part, in the folder of downloads."""
        return [path for part in self.parts.values() for path in part.source.fetch(name, part.options(options), out)]

    def make(self, name: str, options: RealOptions, out: str | Path) -> list[Path]:
        """Write the dataset `name` below `out` and return its folder; raises as `Published.make` does.

        The stream takes as many edits of each task, in turns; `options.limit` counts all of them.
        """
        for key in ("edit_file", "train_file"):
            if getattr(options, key):
                raise DataError(f"dataset '{name}': '{key}' does not say of which of its tasks; leave it out")
        made, raw = {}, []
        with TemporaryDirectory() as folder:
            for task, part in self.parts.items():
                own = part.options(options)
                raw += part.source.paths(own, out)
                [home] = part.source.make(task, own, folder)
                made[task] = {file: _named(records, task) for file, records in read_stream(home).items()}
        files = apart({file: in_turns([parts[file] for parts in made.values()]) for file in FILES})
        files[STREAM] = in_turns(_by_task(files[STREAM], self.parts))[: options.limit or None]
        target = Path(out) / name
        for file, records in files.items():
            write_records(target / f"{file}.jsonl", records)
        counts = {file: dict(Counter(record.task for record in records)) for file, records in files.items()}
        describe(target, options, counts, {}, raw)
        return [target]


def in_turns(parts: Sequence[Sequence[EditRecord]]) -> list[EditRecord]:
    """The first records of all parts, the second ones, ..., as far as the shortest part goes."""
    return [record for turn in zip(*parts, strict=False) for record in turn]


def apart(files: Parts) -> Parts:
    """The files without records that break a rule together, and without questions that another edit changes."""
    files = dict(files)
    while True:
        files |= {file: without_changed(files[file]) for file in (STREAM, DEVELOPMENT)}
        gone: dict[str, set[str]] = {file: set() for file in FILES}
        for leak in find_leaks(files):
            sides = sorted((leak.first, leak.second), key=lambda side: FILES.index(side[0].file))
            for place in sides[-1]:
                gone[place.file].add(place.id)
        if not any(gone.values()):
            return files
        files = {file: [r for r in records if r.id not in gone[file]] for file, records in files.items()}


def _by_task(records: Sequence[EditRecord], tasks: Mapping[str, Part]) -> list[list[EditRecord]]:
    return [[record for record in records if record.task == task] for task in tasks]


def _named(records: Sequence[EditRecord], task: str) -> list[EditRecord]:
    """Records with their task, also in their names, which parts may share."""
    return [replace(record, id=f"{task}-{record.id.removeprefix(f'{task}-')}", task=task) for record in records]


REAL_TASKS = Mixture(
    {
        "recent": Part(wikibigedit.WIKIBIGEDIT),
        "counterfact": Part(counterfact.COUNTERFACT),
        "questions": Part(zsre.ZSRE, "zsre_mend_train-1k.json"),
    }
)
"""Files that are everywhere at hand: what changed in Wikidata, false facts, and questions with consequences."""

KNOWEDIT_TASKS = Mixture(
    {
        "recent": Part(knowedit.RECENT),
        "counterfact": Part(knowedit.COUNTERFACT),
        "convsent": Part(knowedit.CONVSENT),
        "questions": Part(zsre.ZSRE, "zsre_mend_train-1k.json"),
    }
)
"""The tasks of the InstructEdit paper: KnowEdit's, and ZsRE with consequences held out of the training."""
