"""A published dataset as edit streams: raw files in, `edits.jsonl`, `train.jsonl` and `dataset.json` out."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wise.datasets.published.build import count_records, describe, read_file, with_far, with_irrelevant
from wise.datasets.published.download import fetch
from wise.datasets.published.options import RealOptions
from wise.datasets.published.raw_files import Source
from wise.datasets.published.raw_rows import Convert, Entry
from wise.datasets.published.survey import quirks, words
from wise.errors import DataError
from wise.files import atomic_path
from wise.records import write_records

RawFile = tuple[Source, Convert]
"""A raw file, and how one of its records becomes an edit."""


@dataclass(frozen=True)
class Published:
    """A dataset made from raw files of records: its `edits`, and `train`, from which editors are prepared.

    `convert` turns a raw record into an edit. Without `train`, the last edits are held out. `train_limit`: how many
    training records are taken unless the options say, 0 for all. `train_form`: the dataset in whose form the training
    file is, where that is not this one's. `others`: further files of the same form, which the options may name.
    """

    convert: Convert
    edits: Source
    train: Source | None = None
    train_limit: int = 0
    train_form: Published | None = None
    others: tuple[Source, ...] = ()

    def files(self) -> dict[str, RawFile]:
        """Every known file of the dataset, by name."""
        own = {source.name: (source, self.convert) for source in (self.edits, self.train, *self.others) if source}
        return own | (self.train_form.files() if self.train_form else {})

    def chosen(self, options: RealOptions) -> list[RawFile]:
        """The files to use: that of the edits, then that of the training records where they have one of their own."""
        known = self.files()
        edits = known[self.edits.name]
        train = known[self.train.name] if self.train else None
        asked = (options.edit_file, edits, edits), (options.train_file, train, train or edits)
        files = []
        for name, usual, like in asked:
            if name:
                files.append(known.get(name) or (Source(name, like[0].folder), like[1]))
            elif usual:
                files.append(usual)
        return files

    def paths(self, options: RealOptions, out: str | Path) -> list[Path]:
        """Where the chosen files are, downloaded where need be to `options.files`, or to `raw` below `out`.

        Raises as `wise.datasets.published.download.fetch` does.
        """
        folder = options.files or Path(out) / "raw"
        return [fetch(source, folder, options.local_dir or None, options.offline) for source, _ in self.chosen(options)]

    def fetch(self, name: str, options: RealOptions, out: str | Path) -> list[Path]:
        """As `paths`, but all in the folder of downloads: what is in `local_dir` is copied there."""
        paths = []
        for (source, _), path in zip(self.chosen(options), self.paths(options, out), strict=True):
            target = Path(options.files or Path(out) / "raw") / source.folder / source.name
            if path != target:
                with atomic_path(target) as temporary:
                    shutil.copyfile(path, temporary)
            paths.append(target)
        return paths

    def make(self, name: str, options: RealOptions, out: str | Path) -> list[Path]:
        """Write the dataset `name` below `out` and return its folder.

        Raises `DataError` for a file that is missing, of another digest or no JSON, that holds too few sound records,
        and, where `options.invalid` is "stop", that holds a record with a bad field.
        """
        paths = self.paths(options, out)
        edits, train, invalid = self._entries(name, options, paths)
        subjects = {entry.record.subject for entry in edits}
        edits = edits[: options.limit or None]
        counts = {"invalid": invalid, "quirks": quirks(edits)}
        folder = Path(out) / name
        pool = [entry for entry in train if entry.bystander and entry.record.subject not in subjects]
        for file, entries, shift in (("edits", edits, 0), ("train", train, 1)):
            records = with_far([entry.record for entry in entries], pool, options.seed)
            records = with_irrelevant(records, [entry.unrelated for entry in train if entry.unrelated], shift)
            write_records(folder / f"{file}.jsonl", records)
            kinds = Counter(probe.kind for record in records for probe in record.probes)
            counts |= {file: len(records)} | ({"probes": dict(sorted(kinds.items()))} if file == "edits" else {})
        describe(folder, options, counts, words(edits), paths)
        return [folder]

    def _entries(
        self, name: str, options: RealOptions, paths: Sequence[Path]
    ) -> tuple[list[Entry], list[Entry], dict[str, int]]:
        """Sound entries of the edits and of the training records, and how many records of each are not sound."""
        (_, convert), *rest = self.chosen(options)
        edits, bad_edits = read_file(paths[0], convert, name, options)
        if rest:
            limit = options.train_limit or self.train_limit
            train, bad_train = read_file(paths[1], rest[0][1], f"{name}-train", options, limit)
        else:
            if len(edits) <= options.held_out:
                raise DataError(f"{paths[0]}: {len(edits)} records are too few to hold out {options.held_out}")
            edits, train = edits[: -options.held_out], edits[-options.held_out :]
            train, bad_train = train[: options.train_limit or None], []
        return edits, train, {"edits": count_records(bad_edits), "train": count_records(bad_train)}
