"""Which sentences describe a task best: drafted, scored with a trial editor, the weakest replaced, until nothing gains.

So the InstructEdit paper makes its instructions (its Figure 3), with GPT-4 in the place of the drafter. A sentence is
scored by edits of development records, never of those that are reported. The last sentence of a task, which no training
sees, and tasks that are held out have no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from wise.errors import DataError
from wise.files import write_text
from wise.instructions.instruction import LABEL, TOPIC
from wise.instructions.sentences import HELD_OUT, Wording, read_wordings

DRAFTS = Path(__file__).with_name("drafts.yaml")

HEAD = """\
# Ten sentences a task; the last is never used in training. [TOPIC] stands for the subject of the edit, [LABEL] for the
# polarity of an opinion, `unnamed` for a subject that nobody named. `tag`: what is said for the task, by default its
# name. `also`: further names of the task, in published files. `general` is for edits without a task. `chosen`: by which
# search sentences were chosen (snakemake instruct).
"""

Sentences = dict[str, list[str]]
"""By task the sentences that training may see."""

Score = Callable[[Sentences], Mapping[str, Sequence[float]]]
"""A trial editor's score of each sentence, after a training with all of them."""

Draft = Callable[[str, Mapping[str, float], int], Sequence[str]]
"""So many new sentences for a task, or fewer, by the scores of those that it has."""


@dataclass(frozen=True)
class Tried:
    """One sentence in one round, from 0; `kept` says whether the round's sentences were taken over."""

    round: int
    task: str
    sentence: str
    score: float
    new: bool
    kept: bool


def refine(start: Sentences, score: Score, draft: Draft, rounds: int, replaced: int) -> tuple[Sentences, list[Tried]]:
    """The sentences after so many rounds at most, and every sentence of every round with its score.

    A round proposes new sentences for the `replaced` weakest of each task. It is taken over where the mean score of
    all tasks grows, and is the last where it does not.
    """
    best, scores = start, score(start)
    tried = _tried(0, best, scores, {}, True)
    for number in range(1, rounds + 1):
        proposal = {task: _proposed(task, best[task], scores[task], draft, replaced) for task in best}
        if proposal == best:
            break
        found = score(proposal)
        gained = _mean(found) > _mean(scores)
        tried += _tried(number, proposal, found, best, gained)
        if not gained:
            break
        best, scores = proposal, found
    return best, tried


def drafts_of(wording: str, path: Path = DRAFTS) -> Mapping[str, Sequence[str]]:
    """By task the drafts of a wording that no sentence was made of yet; nothing for a wording without."""
    return yaml.safe_load(path.read_text(encoding="utf-8")).get(wording, {})


def fits(sentence: str, task_needs_label: bool) -> bool:
    """Whether a draft names the topic, and the polarity where there is one, and has no other slot."""
    rest = sentence.replace(TOPIC, "").replace(LABEL, "")
    return TOPIC in sentence and (LABEL in sentence) == task_needs_label and not set("[]\n") & set(rest)


def with_sentences(words: Wording, sentences: Sentences) -> Wording:
    """The wording with other sentences for training; each task keeps the one that is held out."""
    tasks = dict(words.tasks)
    for task, chosen in sentences.items():
        if len(chosen) != HELD_OUT:
            raise DataError(f"task '{task}' needs {HELD_OUT} sentences to train with, found {len(chosen)}")
        held_out = tasks[task].sentences[HELD_OUT]
        tasks[task] = replace(tasks[task], sentences=(*chosen, held_out))
    return replace(words, tasks=tasks)


def write_sentences(path: str | Path, name: str, words: Wording, chosen: Mapping[str, Any]) -> None:
    """A whole file of sentences, with one wording in the place of that of its name; `chosen` says how it was made."""
    plain = {known: _plain(wording) for known, wording in read_wordings().items()}
    plain[name] = _plain(words) | {"chosen": dict(chosen)}
    write_text(path, HEAD + yaml.safe_dump(plain, sort_keys=False, width=120, allow_unicode=True))


def _plain(words: Wording) -> dict[str, Any]:
    """As YAML has it, without what is empty."""
    described = asdict(words)
    described["heads"] = list(words.heads)
    described["tasks"] = {
        name: {key: list(value) if isinstance(value, tuple) else value for key, value in task.items() if value}
        for name, task in described["tasks"].items()
    }
    return {key: value for key, value in described.items() if value}


def _proposed(task: str, sentences: Sequence[str], scores: Sequence[float], draft: Draft, replaced: int) -> list[str]:
    """The sentences with the weakest in the place of which new ones came, as far as there are any."""
    new = draft(task, dict(zip(sentences, scores, strict=True)), replaced)
    weakest = sorted(range(len(sentences)), key=lambda place: scores[place])[: len(new)]
    proposal = list(sentences)
    for place, sentence in zip(weakest, new, strict=True):
        proposal[place] = sentence
    return proposal


def _tried(
    number: int, sentences: Sentences, scores: Mapping[str, Sequence[float]], before: Sentences, kept: bool
) -> list[Tried]:
    return [
        Tried(number, task, sentence, score, bool(before) and sentence not in before[task], kept)
        for task, own in sentences.items()
        for sentence, score in zip(own, scores[task], strict=True)
    ]


def _mean(scores: Mapping[str, Sequence[float]]) -> float:
    return fmean(fmean(of_task) for of_task in scores.values())
