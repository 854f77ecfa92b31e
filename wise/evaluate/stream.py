"""One editor over a whole stream: edit, ask after every T, roll back, go on with the next chunk."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from tqdm import tqdm

from wise.editors.base import Editor, EditOutcome
from wise.editors.decision import memory_name
from wise.errors import EditError
from wise.evaluate.ask import Question, Reply, answers_before, ask, generated, put_by, questions_of, transcript_row
from wise.evaluate.checkpoint import Checkpoints, Progress
from wise.evaluate.grid import Run
from wise.records import EDIT_KIND, EditRecord
from wise.seeds import generator

LOG = logging.getLogger(__name__)

ON_NAN = ("fail", "skip")
"""What an edit whose loss is not finite does: it ends the stream, or it counts as one that did not take."""

ORACLE_ASKED = (EDIT_KIND, "paraphrase")
"""Questions that are also asked with an oracle in the router's place, which leaves unrelated ones to the model."""


def shuffled(records: Sequence[EditRecord], edits: int, seed: int) -> list[EditRecord]:
    """The first `edits` records in the order of `seed`."""
    order = torch.randperm(min(edits, len(records)), generator=generator(seed, "stream"), device="cpu")
    return [records[i] for i in order.tolist()]


@dataclass
class _Call:
    """The call that is under way: how many edits' worth of it was done and saved; `seconds` before it was cut off."""

    edits: float = 0.0
    saved: float = 0.0
    seconds: float = 0.0
    started: float | None = None

    def elapsed(self) -> float:
        """Seconds spent on it over all runs."""
        return 0.0 if self.started is None else time.perf_counter() - self.started


@dataclass
class Stream:
    """One editor on one stream of edits; `rows` (of the transcript), `curve` and `probe_seconds` fill up as it runs.

    `before` holds the unedited model's answers, see `wise.evaluate.ask.before_by_question`. `curve` says of every
    edit what it cost. `on_nan`: what happens to an edit whose loss is not finite, one of `ON_NAN`. With `checkpoints`
    the stream goes on where an earlier one was killed; `done` counts its edits over all runs. `started`: when the
    job began. With `generate` the model also answers freely, and `fluency` says behind which prompts it writes a longer
    text, see `wise.evaluate.ask.generated`. With `oracle` the memory that holds an edit is also asked, whatever the
    router says.

    A `"skip"`ped edit is noted in the curve as failed and leaves the memory as it was; its questions are asked like
    all others. For editors that learn all edits together the whole call fails, and the next one tries them again.
    """

    editor: Editor
    records: Sequence[EditRecord]
    before: Mapping[tuple[str, int], dict[str, Any]]
    batch_size: int = 64
    generate: bool = False
    fluency: str = "none"
    oracle: bool = False
    on_nan: str = "fail"
    checkpoints: Checkpoints | None = None
    started: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    curve: list[dict[str, Any]] = field(default_factory=list)
    probe_seconds: float = 0.0
    done: int = 0
    _saved: int = 0
    _call: _Call = field(default_factory=_Call)

    def carry_out(self, runs: Sequence[Run]) -> None:
        """Make and ask about `runs` (see `wise.evaluate.grid`), each from the unedited model.

        Runs go from short to long, so that the longest leaves its memory in the editor for saving. Raises
        `EditError` for an edit that failed, when `on_nan` is "fail", behind a checkpoint of all before it.
        """
        self._resume()
        ordered = sorted(runs, key=lambda run: (run.length, run.start))
        total, passed = sum(run.length for run in runs), 0
        with tqdm(total=total, initial=self.done, unit="edit", desc=self.editor.name, disable=None) as bar:
            for run in ordered:
                first = max(self.done - passed, 0) + 1
                passed += run.length
                if first > run.length:
                    continue
                if first == 1 and not self._call.edits:
                    self.editor.rollback()
                self._carry_out(run, first, bar)
                LOG.info("%s: edits %d to %d done", self.editor.name, run.start, run.start + run.length - 1)

    def failed(self) -> int:
        """How many edits failed, each counted in every call that tried it."""
        return sum("failed" in entry for entry in self.curve)

    def _carry_out(self, run: Run, first: int, bar: tqdm) -> None:
        """Make the edits of one run from the `first` on, and ask about them where it says."""
        chunks = dict(run.asks)
        for T in chunks if self.editor.batch_editing else range(first, run.length + 1):
            if T < first:
                continue
            self._edit(run.start, T, bar)
            if T in chunks:
                self._ask(run.start, T, chunks[T])
            self.done += T - first + 1
            self._call = _Call()
            bar.update(self.done - bar.n)
            first = T + 1
            self._save_if_due()

    def _edit(self, start: int, T: int, bar: tqdm) -> None:
        """Make the first T edits from `start` on, of which the editor may have some; each is noted with its share."""
        editor = self.editor
        first = start + (len(editor.edits) if editor.batch_editing else T - 1)
        records = self.records[first : start + T]

        def report(share: float) -> None:
            self._call.edits += share * len(records)
            bar.update(int(self.done + self._call.edits) - bar.n)
            self._save_if_due()

        self._call.started = time.perf_counter() - self._call.seconds
        try:
            costs = [_cost(outcome) for outcome in editor.edit_all(records, report if editor.batch_editing else None)]
        except EditError as error:
            costs = [self._failure(first, records, error)] * len(records)
        seconds = self._call.elapsed() / (T if editor.retrains_from_scratch else len(records))
        for edit, cost in enumerate(costs, start=first):
            self.curve.append({"edit": edit, "T_chunk": T, "seconds": seconds, **cost})

    def _failure(self, first: int, records: Sequence[EditRecord], error: EditError) -> dict[str, Any]:
        """The entry of edits that failed; raises `EditError` where they end the stream."""
        last = first + len(records) - 1
        where = f"edit {last}" if len(records) == 1 else f"edits {first} to {last}"
        message = f"{self.editor.name}: {where} of the stream (record '{records[-1].id}') failed: {error}"
        if self.on_nan == "fail":
            if self.checkpoints is not None and self.done > self._saved:
                self._call = _Call()
                self._save()
            raise EditError(message) from error
        LOG.warning("%s", message)
        return {"iterations": None, "loss": None, "failed": True, "message": str(error)}

    def _ask(self, start: int, T: int, chunk: int) -> None:
        """Ask about all T edits from `start` on, of the model as it is after the last of them."""
        started = time.perf_counter()
        questions = put_by(self.editor, questions_of(range(start, start + T), self.records))
        known = [self.before[question.record.id, question.index] for question in questions]
        known = answers_before(self.editor, questions, known, self.batch_size)
        replies = ask(self.editor, questions, self.batch_size)
        records = {question.record.id for question in questions}
        holders = {record: memory_name(self.editor.holder(record)) for record in records}
        oracles = self._oracle(questions)
        freely = self.editor.unedited, self.generate, self.fluency
        texts = generated(self.editor.lm, questions, self.batch_size, *freely)
        for index, (question, reply, before) in enumerate(zip(questions, replies, known, strict=True)):
            age = T - 1 - (question.edit - start)
            told = holders[question.record.id], oracles.get(index)
            self.rows.append(transcript_row(question, reply, before, texts, T, chunk, age, *told))
        self.probe_seconds += time.perf_counter() - started

    def _oracle(self, questions: Sequence[Question]) -> dict[int, Reply]:
        """By place what the memory that holds the edit answers to `ORACLE_ASKED`; nothing where no oracle is wanted."""
        places = [i for i, question in enumerate(questions) if self.oracle and question.probe.kind in ORACLE_ASKED]
        replies = ask(self.editor, [questions[i] for i in places], self.batch_size, oracle=True) if places else []
        return {i: reply for i, reply in zip(places, replies, strict=True) if reply.score is not None}

    def _save_if_due(self) -> None:
        since = self.done - self._saved + self._call.edits - self._call.saved
        if self.checkpoints is not None and self.checkpoints.due(since):
            self._save()

    def _save(self) -> None:
        """Write a checkpoint behind the last edit and what was asked after it, or inside a long call."""
        if self.checkpoints is None:
            return
        call, held = self._call, [record.id for record in self.editor.edits]
        parts = self.editor.state(), self.curve, self.rows, self.probe_seconds, self.started
        self.checkpoints.write(Progress(self.done, held, *parts, call.edits, call.elapsed()))
        self._saved, call.saved = self.done, call.edits

    def _resume(self) -> None:
        """Go on behind the last checkpoint, where there is one that fits."""
        progress = None if self.checkpoints is None else self.checkpoints.latest(self.editor.lm.device)
        if progress is None:
            return
        if self.on_nan == "fail" and any("failed" in entry for entry in progress.curve):
            LOG.warning("%s: the checkpoint has skipped edits that failed; starting anew", self.editor.name)
            return
        LOG.info("%s: resuming after edit %g", self.editor.name, progress.done + progress.part)
        by_id = {record.id: record for record in self.records}
        self.editor.restore([by_id[name] for name in progress.held], dict(progress.state))
        self.rows, self.curve = [dict(row) for row in progress.rows], [dict(entry) for entry in progress.curve]
        self.probe_seconds, self.started = progress.probe_seconds, progress.started
        self.done = self._saved = progress.done
        self._call = _Call(progress.part, progress.part, progress.part_seconds)


def _cost(outcome: EditOutcome) -> dict[str, Any]:
    """What the curve says of an edit that was made; a loss only where steps brought it down."""
    return {"iterations": outcome.iterations, "loss": outcome.loss if outcome.iterations else None}
