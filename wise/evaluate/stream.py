"""One editor over a whole stream: edit, ask after every T, roll back, go on with the next chunk."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from tqdm import tqdm

from wise.editors.base import Editor
from wise.evaluate.ask import Reply, ask, generated, questions_of, transcript_row
from wise.evaluate.grid import Run
from wise.records import EditRecord
from wise.seeds import generator

log = logging.getLogger(__name__)


@dataclass
class StreamResult:
    """Transcript rows, and what each edit cost."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    curve: list[dict[str, Any]] = field(default_factory=list)
    probe_seconds: float = 0.0


def shuffled(records: Sequence[EditRecord], edits: int, seed: int) -> list[EditRecord]:
    """The first `edits` records in the order of `seed`: all seeds edit the same facts in another order."""
    order = torch.randperm(min(edits, len(records)), generator=generator(seed, "stream"))
    return [records[i] for i in order.tolist()]


def run_stream(
    editor: Editor,
    stream: Sequence[EditRecord],
    runs: Sequence[Run],
    before: dict[tuple[str, int], dict[str, Any]],
    batch_size: int = 64,
    generate: bool = False,
) -> StreamResult:
    """Carry out `runs` (see `wise.evaluate.grid`), each from the unedited model.

    Runs go from short to long, so that the longest leaves its memory in the editor for saving.
    """
    result = StreamResult()
    ordered = sorted(runs, key=lambda run: (run.length, run.start))
    with tqdm(total=sum(run.length for run in runs), unit="edit", desc=editor.name, disable=None) as bar:
        for run in ordered:
            editor.rollback()
            asks = dict(run.asks)
            for position in range(run.length):
                _edit(editor, stream, run.start + position, result)
                bar.update()
                T = position + 1
                if T in asks:
                    _ask(editor, stream, run, T, asks[T], before, batch_size, generate, result)
            log.info("%s: edits %d to %d done", editor.name, run.start, run.start + run.length - 1)
    return result


def _edit(editor: Editor, stream: Sequence[EditRecord], edit: int, result: StreamResult) -> None:
    started = time.perf_counter()
    outcome = editor.edit(stream[edit])
    result.curve.append(
        {
            "edit": edit,
            "T_chunk": len(editor.edits),
            "seconds": time.perf_counter() - started,
            "iterations": outcome.iterations,
            "loss": outcome.loss,
        }
    )


def _ask(
    editor: Editor,
    stream: Sequence[EditRecord],
    run: Run,
    T: int,
    chunk: int,
    before: dict[tuple[str, int], dict[str, Any]],
    batch_size: int,
    generate: bool,
    result: StreamResult,
) -> None:
    """Ask about all T edits of the chunk, on the model as it is after the last of them."""
    started = time.perf_counter()
    questions = questions_of(range(run.start, run.start + T), stream)
    replies: list[Reply] = ask(editor, questions, batch_size)
    texts = generated(editor.lm, questions, batch_size) if generate else {}
    for question, reply in zip(questions, replies, strict=True):
        known = before[question.record.id, question.index]
        age = T - 1 - (question.edit - run.start)
        result.rows.append(transcript_row(question, reply, known, texts, T, chunk, age))
    result.probe_seconds += time.perf_counter() - started
