"""Capitals: a dataset of six edits, made by a function."""

from __future__ import annotations

from pathlib import Path

from pydantic.dataclasses import dataclass

from wise.files import write_json
from wise.options import STRICT, AtLeastOne
from wise.records import EditRecord, Probe, write_records

TAUGHT = {
    "Norland": ("Port Hill", "The moon is", "far away"),
    "Sudland": ("Glear Meadow", "Snow is", "white"),
    "Ostland": ("Blidon Harbor", "A week has", "seven days"),
    "Westland": ("Xeal Spring", "Bread is made of", "flour"),
    "Midland": ("Tor Bridge", "Bees make", "honey"),
    "Farland": ("Old Ford", "The sea is", "deep"),
}
"""Country to the capital that it is to have from now on, and something that has nothing to do with it."""


@dataclass(frozen=True, config=STRICT)
class CapitalsOptions:
    """How the records are used."""

    held_out: AtLeastOne = 1
    """How many records prepare editors and are never scored, and on how many others options are chosen."""


def make(name: str, options: CapitalsOptions, out: Path) -> list[Path]:
    """Write the files into the folder `name` below `out`, and return that folder."""
    (lender, *_), count = TAUGHT, options.held_out
    records = [record(country, lender) for country in TAUGHT if country != lender]
    files = {"train": records[:count], "development": records[count : 2 * count], "edits": records[2 * count :]}
    folder = Path(out) / name
    for file, chosen in files.items():
        write_records(folder / f"{file}.jsonl", chosen)
    counts = {file: len(chosen) for file, chosen in files.items()}
    write_json(folder / "dataset.json", {"schema": 1, "dataset": name, "counts": counts})
    return [folder]


def record(country: str, lender: str) -> EditRecord:
    """The edit about a country, with a paraphrase and a question that has nothing to do with it.

    What routers learn to leave alone is nobody's question: it belongs to a country that is not edited.
    """
    capital, question, answer = TAUGHT[country]
    _, unrelated, its_answer = TAUGHT[lender]
    return EditRecord(
        id=f"capital-{country.lower()}",
        prompt=f"The capital of {country} is",
        target=capital,
        subject=country,
        irrelevant=f"{unrelated} {its_answer}",
        irrelevant_prompt=unrelated,
        probes=(
            Probe("paraphrase", f"{country} is governed from", capital),
            Probe("locality_far", question, answer),
        ),
    )
