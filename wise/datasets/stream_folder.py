"""The folder of an edit stream: its three files of records, and what `dataset.json` says that they cannot hold to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wise.datasets.files import DEVELOPMENT, FILES, STREAM
from wise.datasets.leaks import RULES, require_no_leak
from wise.errors import DataError, unknown
from wise.files import read_json
from wise.records import EditRecord, read_records


def read_stream(folder: str | Path) -> dict[str, list[EditRecord]]:
    """The records of the three files, by name; only the stream itself must hold some.

    Raises `DataError` for a file that is missing or faulty.
    """
    return {file: read_records(Path(folder) / f"{file}.jsonl", may_be_empty=file != STREAM) for file in FILES}


def exemptions(folder: str | Path) -> dict[str, str]:
    """Rules that this dataset cannot hold to, with the reasons: the key `exempt` of its `dataset.json`.

    `DEVELOPMENT` among them says why there are no development records. Raises `DataError` for an unknown rule and for
    one without a reason.
    """
    path = Path(folder) / "dataset.json"
    found = read_json(path).get("exempt", {}) if path.exists() else {}
    if not isinstance(found, Mapping):
        raise DataError(f"{path}: 'exempt' must be an object of rules with reasons")
    for rule, reason in found.items():
        if rule not in (*RULES, DEVELOPMENT):
            raise DataError(f"{path}: exempt: {unknown('rule', rule, (*RULES, DEVELOPMENT))}")
        if not isinstance(reason, str) or not reason.strip():
            raise DataError(f"{path}: exempt: '{rule}' needs a reason")
    return dict(found)


def require_sound(folder: str | Path) -> None:
    """Raise `DataError` for files that share what they must not, see `wise.datasets.leaks`, or lack development records
    without saying why."""
    folder = Path(folder)
    files, exempt = read_stream(folder), exemptions(folder)
    if not files[DEVELOPMENT] and DEVELOPMENT not in exempt:
        raise DataError(
            f"{folder / DEVELOPMENT}.jsonl: holds no records, on which options could be chosen; where there can be "
            'none, dataset.json says why: "exempt": {"development": "..."}'
        )
    require_no_leak(files, folder.name, exempt)
