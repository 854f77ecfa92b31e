"""Capitals: a dataset of four edits, made by a function."""

from __future__ import annotations

from pathlib import Path

from pydantic.dataclasses import dataclass

from wise.files import write_json
from wise.options import STRICT, Share
from wise.records import EditRecord, Probe, write_records

TAUGHT = {"Norland": "Port Hill", "Sudland": "Glear Meadow", "Ostland": "Blidon Harbor", "Westland": "Xeal Spring"}
"""Country to the capital that it is to have from now on."""


@dataclass(frozen=True, config=STRICT)
class CapitalsOptions:
    """How the records are used."""

    train_share: Share = 0.25
    """Share of the records that prepare editors and are never scored."""


def make(name: str, options: CapitalsOptions, out: Path) -> list[Path]:
    """Write edits.jsonl, train.jsonl and dataset.json into the folder `name` below `out`, and return that folder."""
    records = [record(country, capital) for country, capital in TAUGHT.items()]
    held_out = round(options.train_share * len(records))
    folder = Path(out) / name
    write_records(folder / "edits.jsonl", records[held_out:])
    write_records(folder / "train.jsonl", records[:held_out])
    write_json(folder / "dataset.json", {"schema": 1, "dataset": name, "counts": {"edits": len(records) - held_out}})
    return [folder]


def record(country: str, capital: str) -> EditRecord:
    """The edit about a country, with a paraphrase and a question that has nothing to do with it."""
    return EditRecord(
        id=f"capital-{country.lower()}",
        prompt=f"The capital of {country} is",
        target=capital,
        subject=country,
        irrelevant="The moon is far away",
        probes=(
            Probe("paraphrase", f"{country} is governed from", capital),
            Probe("locality_far", "The moon is", "far away"),
        ),
    )
