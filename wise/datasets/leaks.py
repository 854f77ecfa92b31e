"""What the files of a dataset share and must not: whatever an editor, a router or a threshold learns from stays apart
from what is asked.

Texts are compared without regard to case, white space and punctuation.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from wise.datasets.files import DEVELOPMENT, FILES, STREAM, TRAIN
from wise.errors import DataError
from wise.records import IN_SCOPE, EditRecord

ASKED = (STREAM, DEVELOPMENT)
"""Files whose questions are scored."""

RULES = {
    "subject": "a subject is edited in two files",
    "question": "a question is asked in two files",
    "named": "a question names a subject that another file edits",
    "unrelated": "an unrelated text asks what is scored, or about a subject that is edited",
    "wording": "a paraphrase is worded as those of training records are",
    "changed": "a locality question asks what another edit of the file changes",
}
"""What must not be, by the name of the rule. `named` looks at the last sentence of a question: those before it, and a
passage that is to be continued, may mention anybody. `wording` compares names of paraphrases that begin with
`WORDING`; others are no names of wordings."""

WORDING = "wording "
"""Beginning of a paraphrase's `name` that says in which wording it asks."""

UNRELATED = "irrelevant"
"""Part of a record that is its unrelated text."""

SHOWN = 3
"""Examples of each rule in a message."""

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"(?<=\w{3})[.!]\s+(?=\W*[A-Z0-9])|[.!]\s*$")


class Place(NamedTuple):
    """Where a text stands: the file, the record, and its part: "subject", the kind of a question, or `UNRELATED`.

    `probe` is the index of the question among the record's probes, -1 elsewhere.
    """

    file: str
    id: str
    part: str
    probe: int = -1

    def __str__(self) -> str:
        return f"{self.file} '{self.id}' ({self.part})"


class Leak(NamedTuple):
    """One text that stands where it must not: every place on both sides of the `rule`."""

    rule: str
    text: str
    first: tuple[Place, ...]
    second: tuple[Place, ...]

    def __str__(self) -> str:
        return f"{self.text!r}: {self.first[0]} and {self.second[0]}"


def plain(text: str) -> str:
    """A text as texts are compared: its words, letters in one case."""
    return " ".join(_WORD.findall(text.casefold()))


def find_leaks(files: Mapping[str, Sequence[EditRecord]]) -> list[Leak]:
    """Every text that breaks one of `RULES`, rule by rule; `files` are those of `FILES` that there are."""
    contents = {name: Contents(name, files[name]) for name in FILES if name in files}
    asked = [contents[name] for name in ASKED if name in contents]
    found: list[Leak] = []
    for one, other in combinations(contents.values(), 2):
        found += _common("subject", one.subjects, other.subjects)
        found += _common("question", one.questions, other.questions)
        found += [*_named(one, other), *_named(other, one)]
    for content in contents.values():
        for scored in asked:
            found += _unrelated(content, scored)
    if TRAIN in contents:
        for scored in asked:
            found += _common("wording", contents[TRAIN].wordings, scored.wordings)
    for scored in asked:
        found += _changed(scored)
    return sorted(found, key=lambda leak: list(RULES).index(leak.rule))


def require_no_leak(files: Mapping[str, Sequence[EditRecord]], name: str, exempt: Iterable[str] = ()) -> None:
    """Raise `DataError` with `leak_lines` where the dataset `name` breaks a rule that is not among the `exempt`."""
    leaks = [leak for leak in find_leaks(files) if leak.rule not in set(exempt)]
    if leaks:
        listed = "\n".join(f"  {line}" for line in leak_lines(leaks))
        raise DataError(f"dataset '{name}': editors would learn from what is scored\n{listed}")


def leak_lines(leaks: Sequence[Leak]) -> list[str]:
    """One line for each broken rule: how many texts break it, and the first of them."""
    lines = []
    for rule, meaning in RULES.items():
        broken = [leak for leak in leaks if leak.rule == rule]
        if broken:
            more = "; ..." if len(broken) > SHOWN else ""
            lines.append(f"{rule} ({meaning}): {len(broken)} x, {'; '.join(map(str, broken[:SHOWN]))}{more}")
    return lines


def clear_of(candidates: Sequence[EditRecord], *others: Iterable[EditRecord]) -> list[EditRecord]:
    """The candidates that could be training records beside `others`, and these beside them."""
    files = {STREAM: [record for records in others for record in records], TRAIN: candidates}
    sides = (place for leak in find_leaks(files) for place in (*leak.first, *leak.second))
    leaking = {place.id for place in sides if place.file == TRAIN}
    return [record for record in candidates if record.id not in leaking]


class Asked(NamedTuple):
    """A question as it is compared: all of it, and the words of its last sentence, which may name a subject."""

    text: str
    words: tuple[str, ...]
    place: Place
    subject: str

    @classmethod
    def of(cls, prompt: str, place: Place, subject: str = "") -> Asked:
        """`subject` is that of its own record, as texts are compared."""
        return cls(plain(prompt), tuple(plain(_SENTENCE.split(prompt)[-1]).split()), place, subject)


class Contents:
    """The texts of one file by what they are, each with all of its places."""

    def __init__(self, file: str, records: Sequence[EditRecord]) -> None:
        self.subjects: dict[str, list[Place]] = defaultdict(list)
        self.questions: dict[str, list[Place]] = defaultdict(list)
        self.wordings: dict[str, list[Place]] = defaultdict(list)
        self.asked: list[Asked] = []
        self.unrelated: list[tuple[EditRecord, Asked]] = []
        for record in records:
            self._add(file, record)
        self._lengths: dict[str, set[int]] = defaultdict(set)  # first word of subjects to their numbers of words
        for words in map(str.split, self.subjects):
            self._lengths[words[0]].add(len(words))

    def _add(self, file: str, record: EditRecord) -> None:
        if subject := plain(record.subject):
            self.subjects[subject].append(Place(file, record.id, "subject"))
        for index, probe in record.questions():
            question = Asked.of(probe.prompt, Place(file, record.id, probe.kind, index), subject)
            self.asked.append(question)
            if question.text:
                self.questions[question.text].append(question.place)
            if probe.kind == "paraphrase" and probe.name.startswith(WORDING):
                self.wordings[probe.name].append(question.place)
        if record.irrelevant.strip():
            self.unrelated.append((record, Asked.of(record.irrelevant_prompt, Place(file, record.id, UNRELATED))))

    def subjects_in(self, words: Sequence[str]) -> list[str]:
        """Subjects of this file that the words name, in their order."""
        spans = (
            " ".join(words[first : first + length])
            for first, word in enumerate(words)
            for length in sorted(self._lengths.get(word, ()))
        )
        return [span for span in dict.fromkeys(spans) if span in self.subjects]

    def beginnings_of(self, text: str) -> list[str]:
        """Questions of this file with which a text begins."""
        words = plain(text).split()
        texts = (" ".join(words[:end]) for end in range(1, len(words) + 1))
        return [text for text in texts if text in self.questions]


Found = Mapping[str, list[Place]]


def _common(rule: str, one: Found, other: Found) -> Iterator[Leak]:
    for text in one:
        if text in other:
            yield Leak(rule, text, tuple(one[text]), tuple(other[text]))


def _named(asking: Contents, editing: Contents) -> Iterator[Leak]:
    """Questions of one file that name a subject of another; their own subject is a matter of the rule `subject`."""
    for question in asking.asked:
        for subject in editing.subjects_in(question.words):
            if subject != question.subject:
                yield Leak("named", question.text, (question.place,), tuple(editing.subjects[subject]))


def _unrelated(content: Contents, scored: Contents) -> Iterator[Leak]:
    """Unrelated texts of any file, from which edits are learned, against what a file scores.

    Where a text's prompt is not marked, its beginnings are compared and not the names in it: it may end in an answer.
    """
    for record, (text, words, place, _) in content.unrelated:
        asked = [text] * (text in scored.questions) if text else scored.beginnings_of(record.irrelevant)
        for question in asked:
            yield Leak("unrelated", question, (place,), tuple(scored.questions[question]))
        for subject in () if asked else scored.subjects_in(words):
            yield Leak("unrelated", text, (place,), tuple(scored.subjects[subject]))


def _changed(scored: Contents) -> Iterator[Leak]:
    for text, places in scored.questions.items():
        inside = [place for place in places if place.part in IN_SCOPE]
        for place in places:
            others = tuple(other for other in inside if other.id != place.id)
            if place.part not in IN_SCOPE and others:
                yield Leak("changed", text, (place,), others)
