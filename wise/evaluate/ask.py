"""Ask a model every question of some edits, in batches, into rows of the transcript."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch

from wise.editors.base import Editor
from wise.editors.decision import Reading, Routing, memory_name
from wise.evaluate.competence import accuracy_by_kind
from wise.evaluate.fluency import asked_of, long_texts
from wise.evaluate.free import Ending, Free, free_answers, own_endings
from wise.lm.answer import Answer, answer_pairs, read_answers
from wise.lm.batch import by_length, encode, unsorted
from wise.lm.load import LanguageModel
from wise.records import EDIT_INDEX, EDIT_KIND, IN_SCOPE, EditRecord, Probe

BEFORE_ENDING = ("before_ending", "before_ending_nll", "before_ending_stopped")
"""Columns of what the unedited model writes behind a target."""


@dataclass(frozen=True)
class Question:
    """One question about one edit; `edit` is the edit's position in the stream."""

    edit: int
    record: EditRecord
    index: int
    probe: Probe


@dataclass(frozen=True)
class Reply:
    """A teacher-forced answer with the routing decision behind it (None for editors that do not route)."""

    answer: Answer
    score: float | None = None
    threshold: float | None = None
    choice: str = "main"


def questions_of(edits: Sequence[int], stream: Sequence[EditRecord]) -> list[Question]:
    """Every question about the given positions of the stream."""
    return [Question(edit, stream[edit], index, probe) for edit in edits for index, probe in stream[edit].questions()]


def put_by(editor: Editor, questions: Sequence[Question]) -> list[Question]:
    """The questions in the words by which the editor has them asked, see `Editor.asked`."""
    return [replace(q, probe=replace(q.probe, prompt=editor.asked(q.record, q.probe))) for q in questions]


def answers_before(
    editor: Editor, questions: Sequence[Question], known: Sequence[dict[str, Any]], batch_size: int
) -> list[dict[str, Any]]:
    """The unedited model's answers: those `known` of the records' own questions, others where the words are others."""
    other = [i for i, q in enumerate(questions) if q.probe.prompt != _own_words(q)]
    before = list(known)
    if other:
        probes = [questions[i].probe for i in other]
        with editor.unedited():
            answers = answer_pairs(editor.lm, [p.prompt for p in probes], [p.target for p in probes], batch_size)
        for i, answer in zip(other, answers, strict=True):
            before[i] = known[i] | {"before_tokens": answer.predicted_tokens, "before_nll": answer.nll}
    return before


def _own_words(question: Question) -> str:
    record, index = question.record, question.index
    return record.prompt if index == EDIT_INDEX else record.probes[index].prompt


def ask(editor: Editor, questions: Sequence[Question], batch_size: int = 64, oracle: bool = False) -> list[Reply]:
    """Ask the edited model, running it only from the edited matrix on.

    The answer to a question does not depend on the others. With policy "prefill" a sequence is routed on its
    prompt, as in generation; with "per_step" on the whole text, as one forward call of the released code
    does. With `oracle` no router is asked: edits and what follows from them get the memory that holds the
    edit, all else the unedited model.
    """
    sequences = encode(editor.lm, [q.probe.prompt for q in questions], [q.probe.target for q in questions])
    batches = list(by_length(sequences, batch_size))
    replies = []
    for indices in batches:
        frozen = editor.frozen([sequences[i] for i in indices])
        with torch.inference_mode():
            routing = None
            if editor.edits:  # without any the model is the unedited one, whatever a gate starts as
                routing = editor.decide(Reading.of(frozen, whole=editor.policy == "per_step"))
            if oracle and routing is not None:
                routing = _told(editor, [questions[i] for i in indices], routing)
            answers = read_answers(frozen.batch, editor.answer(frozen, routing))
        replies.append(list(_replies(answers, routing)))
    return unsorted(batches, replies)


def generated(
    lm: LanguageModel,
    questions: Sequence[Question],
    batch_size: int = 64,
    unedited: Callable[[], AbstractContextManager] = nullcontext,
    answers: bool = True,
    fluency: str = "none",
) -> dict[str, Free]:
    """What the model writes freely behind the edit prompts among `questions`, by prompt.

    Greedy `answers`, see `free_answers`, and behind some a longer text, see `wise.evaluate.fluency`.
    """
    targets = _edit_targets(questions) if answers else {}
    found: dict[str, Free] = {}
    if targets:
        free = free_answers(lm, list(targets), list(targets.values()), batch_size, unedited)
        found = dict(zip(targets, free, strict=True))
    longer = [q.probe.prompt for q in questions if q.probe.kind == EDIT_KIND and asked_of(q.record, fluency)]
    for prompt, text in long_texts(lm, longer, batch_size).items():
        found[prompt] = replace(found.get(prompt, Free()), longer=text)
    return found


def preedit_rows(
    lm: LanguageModel, stream: Sequence[EditRecord], batch_size: int = 64, generate: bool = False
) -> Iterator[dict[str, Any]]:
    """Transcript rows of the unedited model, T = 0: what every locality metric compares with.

    With `generate` also its free answers, and what it writes behind the targets.
    """
    questions = questions_of(range(len(stream)), stream)
    pairs = [q.probe.prompt for q in questions], [q.probe.target for q in questions]
    texts, endings = {}, {}
    if generate:
        texts, targets = generated(lm, questions, batch_size), _edit_targets(questions)
        own = own_endings(lm, list(targets), list(targets.values()), batch_size) if targets else []
        endings = dict(zip(targets, own, strict=True))
    able = _base_accuracy(lm, questions, batch_size)
    for question, answer in zip(questions, answer_pairs(lm, *pairs, batch_size), strict=True):
        kind = question.probe.kind, question.probe.name
        before = {"before_tokens": answer.predicted_tokens, "before_nll": answer.nll, "base_accuracy": able.get(kind)}
        ending = endings.get(question.probe.prompt) if question.probe.kind == EDIT_KIND else None
        yield transcript_row(
            question, Reply(answer), before | _described("before_ending", ending), texts, T=0, chunk=0, age=0
        )


def _edit_targets(questions: Sequence[Question]) -> dict[str, str]:
    """Targets of the edits among the questions, by prompt."""
    return {q.probe.prompt: q.probe.target for q in questions if q.probe.kind == EDIT_KIND}


def _described(name: str, ending: Ending | None) -> dict[str, Any]:
    """The three columns of an ending."""
    parts = (None, None, None) if ending is None else (ending.text, ending.nll, ending.stopped)
    return dict(zip((name, f"{name}_nll", f"{name}_stopped"), parts, strict=True))


def transcript_row(
    question: Question,
    reply: Reply,
    before: dict[str, Any],
    texts: dict[str, Free],
    T: int,
    chunk: int,
    age: int,
    holder: str | None = None,
    oracle: Reply | None = None,
) -> dict[str, Any]:
    """One row of the transcript, see `wise.evaluate.transcript`; `oracle` is the reply of the memory `holder`."""
    free = texts.get(question.probe.prompt, Free()) if question.probe.kind == EDIT_KIND else Free()
    return {
        "T": T,
        "chunk": chunk,
        "edit": question.edit,
        "age": age,
        "record": question.record.id,
        "kind": question.probe.kind,
        "name": question.probe.name,
        "probe": question.index,
        "target": question.probe.target,
        "target_tokens": reply.answer.target_tokens,
        "predicted_tokens": reply.answer.predicted_tokens,
        "nll": reply.answer.nll,
        "before_tokens": before["before_tokens"],
        "before_nll": before["before_nll"],
        "base_accuracy": before["base_accuracy"],
        "generated": free.text,
        **_described("ending", free.ending),
        "longer": free.longer,
        **{name: before.get(name) for name in BEFORE_ENDING},
        "score": reply.score,
        "threshold": reply.threshold,
        "choice": reply.choice,
        "holder": None if reply.score is None else holder,
        "oracle_tokens": None if oracle is None else oracle.answer.predicted_tokens,
    }


def before_by_question(preedit: pd.DataFrame) -> dict[tuple[str, int], dict[str, Any]]:
    """(record id, probe index) -> the unedited model's tokens, losses, accuracy and ending, of a pre-edit one."""
    names = "before_tokens", "before_nll", "base_accuracy", *BEFORE_ENDING
    columns = (preedit[name] for name in ("record", "probe", *names))
    return {
        (record, probe): {
            "before_tokens": list(tokens),
            "before_nll": list(nll),
            "base_accuracy": None if pd.isna(able) else float(able),
            "before_ending": ending if isinstance(ending, str) else None,
            "before_ending_nll": list(losses) if isinstance(ending, str) else None,
            "before_ending_stopped": bool(stopped) if isinstance(ending, str) else None,
        }
        for record, probe, tokens, nll, able, ending, losses, stopped in zip(*columns, strict=True)
    }


def _base_accuracy(lm: LanguageModel, questions: Sequence[Question], batch_size: int) -> dict[tuple[str, str], float]:
    """How well the unedited model answers each kind of question whose answer before the edit is known, exactly."""
    asked = [question.probe for question in questions if question.probe.original]
    answers = answer_pairs(lm, [p.prompt for p in asked], [p.original for p in asked], batch_size) if asked else []
    return accuracy_by_kind([(p.kind, p.name) for p in asked], [answer.exact for answer in answers])


def _told(editor: Editor, questions: Sequence[Question], routing: Routing) -> Routing:
    """The decision that an oracle takes in the router's place."""
    held = [editor.holder(q.record.id) if q.probe.kind in IN_SCOPE else 0 for q in questions]
    return replace(routing, choice=torch.tensor(held, device=routing.choice.device))


def _replies(answers: Sequence[Answer], routing: Routing | None) -> Iterator[Reply]:
    if routing is None:
        yield from (Reply(answer) for answer in answers)
        return
    columns = answers, routing.score.tolist(), routing.threshold.tolist(), routing.choice.tolist()
    for answer, score, threshold, choice in zip(*columns, strict=True):
        yield Reply(answer, score, threshold, memory_name(choice))
