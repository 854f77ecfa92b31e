"""A soak: thousands of edits, then thousands of questions, and what time and memory they take.

    snakemake results/data/factworld-qa/edits.jsonl results/models/factlm
    python benchmarks/soak.py --results results --out benchmarks/results/soak.json

Each editor works in a process of its own, through `wise.attach` and with its default options but `--options`. The facts
of FactWorld are edited in rounds: each time in another wording, and to the answer that another fact of the same
relation had. Marks are written as they come, beside the output; a run that was cut short skips editors that were done.
Bytes are those of the process: `resident` as it is, `trimmed` after free memory was given back to the system.
`memory` is what the editor says that it keeps, `states` what the tail keeps of texts, see `wise.tail.tail`.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

import wise
from wise.errors import EditNotTaken
from wise.records import EditRecord, read_records

DATASET, MODEL, LAYER = "factworld-qa", "factlm", 4
BLOCK, TOKENS = 250, 4
"""Questions that are asked at once, and tokens of an answer."""


def stream(records: Sequence[EditRecord], count: int) -> list[EditRecord]:
    """`count` edits: all records in rounds, each round in another wording and with answers moved among a relation's."""
    by_relation: dict[str, list[EditRecord]] = defaultdict(list)
    for record in records:
        by_relation[record.relation].append(record)
    place = {record.id: number for group in by_relation.values() for number, record in enumerate(group)}
    edits: list[EditRecord] = []
    for number in range(-(-count // len(records))):
        for record in records:
            wordings = [record.prompt, *(probe.prompt for probe in record.probes if probe.kind == "paraphrase")]
            group = by_relation[record.relation]
            target = group[(place[record.id] + 7 * number) % len(group)].target
            prompt = wordings[number % len(wordings)]
            edits.append(replace(record, id=f"{record.id}-{number}", prompt=prompt, target=target))
    return edits[:count]


def soak(
    folder: Path, editor: str, options: dict[str, Any], edits: int, questions: int, every: int
) -> Iterator[dict[str, Any]]:
    """Edit, then ask; a mark behind every so many of both."""
    data = folder / "data" / DATASET
    records = [*read_records(data / "edits.jsonl"), *read_records(data / "development.jsonl")]
    place, train = folder / "models" / MODEL, read_records(data / "train.jsonl")
    edited = wise.attach(place, editor, layer=LAYER, train=train, cache=False, **options)
    yield {"kind": "edit", "T": 0, **bytes_of(edited)}
    took, started, used = 0, time.perf_counter(), time.process_time()
    for number, record in enumerate(stream(records, edits), start=1):
        took += bool(edited.edit(record).took)
        if number % every == 0 or number == edits:
            wall, cpu, done = time.perf_counter() - started, time.process_time() - used, (number - 1) % every + 1
            yield {"kind": "edit", "T": number, "seconds": wall / done, "cpu": cpu / done, "took": took / done,
                   **bytes_of(edited)}  # fmt: skip
            took, started, used = 0, time.perf_counter(), time.process_time()
    with TemporaryDirectory() as place:
        edited.save_pretrained(Path(place, "memory"))
        yield {"kind": "saved", "bytes": sum(file.stat().st_size for file in Path(place).rglob("*") if file.is_file())}
    prompts = cycle([probe.prompt for record in records for _, probe in record.questions()])
    for asked in range(0, questions + 1, BLOCK):
        if asked:
            edited.ask(list(islice(prompts, BLOCK)), TOKENS)
        yield {"kind": "ask", "asked": asked, **bytes_of(edited)}


def bytes_of(edited: wise.EditedModel) -> dict[str, int]:
    """What the process and the editor hold."""
    resident = resident_bytes()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    states = int(edited.editor.tail.groups()["bytes"])
    return {"resident": resident, "trimmed": resident_bytes(), "memory": edited.editor.memory_bytes(), "states": states}


def resident_bytes() -> int:
    """Resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


def carry_out(args: argparse.Namespace) -> None:
    """One editor, in this process."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", EditNotTaken)  # counted as `took`
    (editor,) = args.editors
    options = args.options.get(editor, {})
    with args.out.open("w") as out:
        for mark in soak(args.results, editor, options, args.edits, args.questions, args.every):
            out.write(json.dumps(mark) + "\n")
            out.flush()


def main() -> None:
    """Soak every editor in turn and join their marks."""
    parser = argparse.ArgumentParser(description="Time and memory of thousands of edits and questions.")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of a run with the default model")
    parser.add_argument("--editors", nargs="+", default=["wise-retrieve", "grace"])
    parser.add_argument("--options", type=json.loads, default={}, help="JSON of options by editor")
    parser.add_argument("--edits", type=int, default=3000)
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=50, help="edits between marks (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--alone", action="store_true", help="one editor in this process, marks as JSON lines")
    args = parser.parse_args()
    if args.alone:
        carry_out(args)
        return
    found = {
        "edits": args.edits,
        "questions": args.questions,
        "options": args.options,
        "torch": torch.__version__,
        "editors": {},
    }
    for editor in args.editors:
        marks = args.out.with_name(f"{args.out.stem}-{editor}.jsonl")
        whole = args.out.with_name(f"{args.out.stem}-{editor}.part")
        if not marks.exists():
            told = [f"--{name}={getattr(args, name)}" for name in ("results", "edits", "questions", "every")]
            told.append(f"--options={json.dumps(args.options)}")
            subprocess.run(
                [sys.executable, __file__, "--alone", "--editors", editor, *told, "--out", whole], check=True
            )
            whole.rename(marks)
        found["editors"][editor] = [json.loads(line) for line in marks.read_text().splitlines()]
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    for editor in args.editors:
        args.out.with_name(f"{args.out.stem}-{editor}.jsonl").unlink()


if __name__ == "__main__":
    main()
