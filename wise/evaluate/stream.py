"""One editor over a whole stream: edit, ask after every T, roll back, go on with the next chunk."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from tqdm import tqdm

from wise.editors.base import Editor
from wise.evaluate.ask import ask, generated, questions_of, transcript_row
from wise.evaluate.grid import Run
from wise.records import EditRecord
from wise.seeds import generator

log = logging.getLogger(__name__)


def shuffled(records: Sequence[EditRecord], edits: int, seed: int) -> list[EditRecord]:
    """The first `edits` records in the order of `seed`: all seeds edit the same facts in another order."""
    order = torch.randperm(min(edits, len(records)), generator=generator(seed, "stream"))
    return [records[i] for i in order.tolist()]


@dataclass
class Stream:
    """One editor on one stream of edits; `rows` (of the transcript), `curve` and `probe_seconds` fill up as it runs.

    `before` holds the unedited model's answers, see `wise.evaluate.ask.before_by_question`. `curve` says
    of every edit what it cost.
    """

    editor: Editor
    records: Sequence[EditRecord]
    before: Mapping[tuple[str, int], dict[str, Any]]
    batch_size: int = 64
    generate: bool = False
    oracle: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)
    curve: list[dict[str, Any]] = field(default_factory=list)
    probe_seconds: float = 0.0

    def carry_out(self, runs: Sequence[Run]) -> None:
        """Make and ask about `runs` (see `wise.evaluate.grid`), each from the unedited model.

        Runs go from short to long, so that the longest leaves its memory in the editor for saving.
        """
        ordered = sorted(runs, key=lambda run: (run.length, run.start))
        with tqdm(total=sum(run.length for run in runs), unit="edit", desc=self.editor.name, disable=None) as bar:
            for run in ordered:
                self.editor.rollback()
                chunks = dict(run.asks)
                for T in range(1, run.length + 1):
                    if not self.editor.together:
                        self._edit(run.start + T - 1)
                    elif T in chunks:
                        self._edit_together(run.start, T)
                    bar.update()
                    if T in chunks:
                        self._ask(run.start, T, chunks[T])
                log.info("%s: edits %d to %d done", self.editor.name, run.start, run.start + run.length - 1)

    def _edit(self, edit: int) -> None:
        started = time.perf_counter()
        outcome = self.editor.edit(self.records[edit])
        self.curve.append(
            {
                "edit": edit,
                "T_chunk": len(self.editor.edits),
                "seconds": time.perf_counter() - started,
                "iterations": outcome.iterations,
                "loss": outcome.loss,
            }
        )

    def _edit_together(self, start: int, T: int) -> None:
        """The first T edits from `start` on in one call, from the unedited model; each is noted with its share."""
        self.editor.rollback()
        started = time.perf_counter()
        outcomes = self.editor.edit_all(self.records[start : start + T])
        seconds = (time.perf_counter() - started) / T
        for index, outcome in enumerate(outcomes):
            cost = {"seconds": seconds, "iterations": outcome.iterations, "loss": outcome.loss}
            self.curve.append({"edit": start + index, "T_chunk": T, **cost})

    def _ask(self, start: int, T: int, chunk: int) -> None:
        """Ask about all T edits from `start` on, of the model as it is after the last of them."""
        started = time.perf_counter()
        questions = questions_of(range(start, start + T), self.records)
        replies = ask(self.editor, questions, self.batch_size, self.oracle)
        texts = generated(self.editor.lm, questions, self.batch_size) if self.generate else {}
        for question, reply in zip(questions, replies, strict=True):
            known = self.before[question.record.id, question.index]
            age = T - 1 - (question.edit - start)
            self.rows.append(transcript_row(question, reply, known, texts, T, chunk, age))
        self.probe_seconds += time.perf_counter() - started
