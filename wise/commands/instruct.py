"""`wise instruct`: choose the sentences of instructions by trial editors on development edits."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import pandas as pd

from wise.commands.common import add_model_arguments, add_place_arguments, json_options, load_contexts
from wise.commands.editor_needs import editor_needs
from wise.commands.loading import load_model, read_training
from wise.editors.instructedit.editor import InstructEdit
from wise.editors.registry import make_editor
from wise.errors import DataError
from wise.evaluate.ask import before_by_question, preedit_rows
from wise.evaluate.grid import plan_runs
from wise.evaluate.stream import Stream
from wise.files import sha256, write_json
from wise.instructions.instruction import LABEL
from wise.instructions.refinement import Sentences, drafts_of, fits, refine, with_sentences, write_sentences
from wise.instructions.sentences import HELD_OUT
from wise.lm.drafting import write_lines
from wise.lm.load import LanguageModel, load_language_model
from wise.records import EditRecord, read_records
from wise.tuning.objective import asked_for, scores

LOG = logging.getLogger(__name__)

BATCH = 64
"""Questions in one forward pass."""

UNTAUGHT = 1 / 3
"""Mean of Rel, Gen and Loc of an editor that leaves everything as it is."""

LINES, LENGTH = 20, 40
"""Lines that a drafting model writes for a task in a round, and tokens of each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_model_arguments(parser)
    parser.add_argument("--records", type=Path, required=True, help="JSONL of development edits, never the edit stream")
    parser.add_argument("--train", type=Path, required=True, help="JSONL of training records")
    add_place_arguments(parser)
    parser.add_argument("--options", type=json_options, default={}, help="JSON of the options of instructedit")
    parser.add_argument("--rounds", type=int, default=3, help="at most so many rounds (default: %(default)s)")
    parser.add_argument("--replaced", type=int, default=3, help="sentences of a task that a round replaces")
    parser.add_argument("--edits", type=int, default=5, help="edits of a task that score each sentence")
    parser.add_argument("--seed", type=int, default=0, help="of trial editors and of a drafting model")
    parser.add_argument("--drafter", default="", help="folder or hub name of a language model that drafts")
    parser.add_argument("--out", type=Path, required=True, help="every round, to write (JSON)")
    parser.add_argument("--sentences", type=Path, required=True, help="file of sentences to write (YAML)")


def run(args: argparse.Namespace) -> None:
    """Refine the sentences of the tasks that are trained on, and write the rounds and the outcome."""
    lm = load_model(args, BATCH, editor_needs({"instructedit": args.options}))
    contexts = load_contexts(args.contexts)
    editor = cast(InstructEdit, make_editor("instructedit", lm, args.layer, args.options, contexts, args.seed))
    words, train = editor.words, read_training(args.train)
    tasks = list(editor.config.tasks)
    if not tasks:
        raise DataError("name the tasks to choose sentences for in the option 'tasks': all others are held out")
    records = asked_for(read_records(args.records))
    trials = {task: _Trial(editor, _of_task(records, task, args)) for task in tasks}

    def score(sentences: Sentences) -> Mapping[str, Sequence[float]]:
        editor.words = with_sentences(words, sentences)
        editor.use_artifact(editor.make_artifact(train))
        found = {task: [trials[task].score(number) for number in range(HELD_OUT)] for task in sentences}
        _require_edits(found)
        return found

    start = {task: list(words.task(task)[1].sentences[:HELD_OUT]) for task in tasks}
    drafter = load_language_model(args.drafter) if args.drafter else None
    draft = Drafts(lm, editor.config.wording, start, drafter, args.seed)
    chosen, tried = refine(start, score, draft, args.rounds, args.replaced)
    described = {
        "options": {name: value for name, value in asdict(editor.config).items() if name in args.options},
        "budget": {name: getattr(args, name) for name in ("rounds", "replaced", "edits", "seed", "drafter")},
        "development": sha256(args.records)[:16],
        "train": sha256(args.train)[:16],
        "model": Path(args.model).name,
    }
    write_json(
        args.out, {"schema": 1, "wording": editor.config.wording, **described, "tried": list(map(asdict, tried))}
    )
    rounds = {"rounds": 1 + tried[-1].round, "sentences_tried": len({(one.task, one.sentence) for one in tried})}
    write_sentences(args.sentences, editor.config.wording, with_sentences(words, chosen), described | rounds)


class Drafts:
    """New sentences for a task: of a language model where there is one, then those of the project, each once."""

    def __init__(
        self, lm: LanguageModel, wording: str, start: Sentences, drafter: LanguageModel | None, seed: int
    ) -> None:
        self.lm, self.drafter, self.seed = lm, drafter, seed
        self.waiting = {task: list(drafts_of(wording).get(task, ())) for task in start}
        self.labelled = {task: LABEL in sentences[0] for task, sentences in start.items()}
        self.used = {sentence for sentences in start.values() for sentence in sentences}

    def __call__(self, task: str, scored: Mapping[str, float], count: int) -> list[str]:
        """At most `count` sentences that were in no round yet."""
        written = self._written(task, scored) if self.drafter is not None else []
        fitting = [one for one in dict.fromkeys([*written, *self.waiting[task]])
                   if one not in self.used and fits(one, self.labelled[task]) and self._known(one)]  # fmt: skip
        self.used |= set(fitting[:count])
        return fitting[:count]

    def _written(self, task: str, scored: Mapping[str, float]) -> list[str]:
        """Lines of the drafting model, which is told the scores so far; the best stands last."""
        ranked = sorted(scored, key=lambda sentence: scored[sentence])
        shown = "\n".join(f"{scored[sentence]:.2f}: {sentence}" for sentence in ranked)
        prompt = (
            f"Instructions for the task '{task}' with the score that each of them got, from weak to strong.\n{shown}"
        )
        return write_lines(cast(LanguageModel, self.drafter), f"{prompt}\n1.00:", LINES, LENGTH, self.seed)

    def _known(self, sentence: str) -> bool:
        """Whether the edited model can read the sentence: not one word of it is unknown to its tokenizer."""
        plain = sentence.replace("[TOPIC]", "").replace("[LABEL]", "")
        return self.lm.tokenizer.unk_token_id not in self.lm.tokenizer(plain)["input_ids"]


def _require_edits(scores: Mapping[str, Sequence[float]]) -> None:
    """Raise `DataError` for trial editors that edit nothing: their scores would say nothing about sentences."""
    idle = [task for task, found in scores.items() if max(found) <= UNTAUGHT + 1e-6]
    if idle:
        raise DataError(
            f"trial editors take no edit of {', '.join(idle)}, behind no sentence; they learn from too few edits: "
            "raise instructing.iterations"
        )


def _of_task(records: Sequence[EditRecord], task: str, args: argparse.Namespace) -> list[EditRecord]:
    found = [record for record in records if record.task == task][: args.edits]
    if len(found) < args.edits:
        raise DataError(f"{args.records}: holds {len(found)} edits of the task '{task}', --edits asks for {args.edits}")
    return found


class _Trial:
    """Single edits of one task, about which the unedited model was asked once."""

    def __init__(self, editor: InstructEdit, edits: Sequence[EditRecord]) -> None:
        self.editor, self.edits = editor, edits
        self.before = before_by_question(pd.DataFrame(preedit_rows(editor.lm, edits, BATCH)))

    def score(self, number: int) -> float:
        """Mean of Rel, Gen and Loc behind sentence `number`."""
        editor, usual = self.editor, self.editor.config
        editor.config = replace(usual, instruction=number)
        stream = Stream(editor, self.edits, self.before, BATCH)
        stream.carry_out(plan_runs({1: len(self.edits)}, len(self.edits)))
        editor.rollback()
        editor.config = usual
        return scores(stream.rows)["avg"]
