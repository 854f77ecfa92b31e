"""A published dataset as edit streams: raw files in; edits, development and training records, `dataset.json` out."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wise.datasets.files import DEVELOPMENT, STREAM, TRAIN
from wise.datasets.leaks import ASKED
from wise.datasets.published.build import count_records, describe, read_file
from wise.datasets.published.download import fetch
from wise.datasets.published.options import RealOptions
from wise.datasets.published.raw_files import Source
from wise.datasets.published.raw_rows import Convert, Entry
from wise.datasets.published.roles import divide, whole_subjects
from wise.datasets.published.survey import quirks, words
from wise.errors import DataError
from wise.files import atomic_path
from wise.records import write_records

RawFile = tuple[Source, Convert]
"""A raw file, and how one of its records becomes an edit."""


@dataclass(frozen=True)
class Published:
    """A dataset made from raw files of records: its `edits`, and `train`, from which editors are prepared.

    `convert` turns a raw record into an edit. `held_out` and `train_limit`: how many of the last edits are kept out of
    the stream, and how many training records are taken (0 for all), unless the options say. `train_form`: the dataset
    in whose form the training file is, where that is not this one's. `others`: further files of the same form, which
    the options may name.
    """

    convert: Convert
    edits: Source
    train: Source | None = None
    train_limit: int = 0
    held_out: int = 0
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
        stream, aside, invalid = self._entries(name, options, paths)
        try:
            roles = divide(stream, aside, options.development, options.train_limit or self.train_limit, options.seed)
        except DataError as error:
            raise DataError(f"{paths[-1]}: {error}") from error
        edits = roles.stream[: options.limit or None]
        counts: dict[str, Any] = {"invalid": invalid, "quirks": quirks(stream[: len(edits)])}
        counts |= {"left_out": roles.left_out, "far_questions": dict(zip(ASKED, roles.far, strict=True))}
        folder = Path(out) / name
        for file, records in ((STREAM, edits), (DEVELOPMENT, roles.development), (TRAIN, roles.train)):
            write_records(folder / f"{file}.jsonl", records)
            counts[file] = len(records)
        kinds = Counter(probe.kind for record in edits for probe in record.probes)
        counts["probes"] = dict(sorted(kinds.items()))
        describe(folder, options, counts, words(stream[: len(edits)]), paths)
        return [folder]

    def _entries(
        self, name: str, options: RealOptions, paths: Sequence[Path]
    ) -> tuple[list[Entry], list[Entry], dict[str, int]]:
        """Sound entries of the stream and of what stands beside it, and how many records of each file are not sound.

        Of a training file with a limit a quarter more is read than is wanted, since some overlaps with the stream.
        """
        (_, convert), *rest = self.chosen(options)
        edits, bad_edits = read_file(paths[0], convert, name, options)
        aside, bad_aside = [], []
        if rest:
            limit = options.train_limit or self.train_limit
            wanted = (limit + options.development) * 5 // 4 if limit else 0
            aside, bad_aside = read_file(paths[1], rest[0][1], f"{name}-train", options, wanted)
        count = self.held_out if options.held_out is None else options.held_out
        last = whole_subjects([entry.record for entry in reversed(edits)], count)
        stream = [entry for entry in edits if entry.record.id not in last]
        if not stream:
            raise DataError(f"{paths[0]}: {len(edits)} records are too few to hold out {count}")
        aside += [entry for entry in edits if entry.record.id in last]
        return stream, aside, {"edits": count_records(bad_edits), "train": count_records(bad_aside)}
