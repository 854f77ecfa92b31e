"""How CounterFact words its relations, read from the dataset itself.

A record names no relation, but its prompt and its neighbourhood prompt ask the same one of two subjects. Wordings
that meet in this way often enough are wordings of one relation.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from wise.records import EditRecord

SUBJECT = "{}"
"""What stands in a wording where the subject belongs."""

LEAST_SHARE = 0.02
"""Two wordings belong together when this share of the one's records has the other; rarer are misreadings."""
LEAST_USES = 5
"""A rephrased prompt is a wording of its own when as many records use it, with whatever subjects."""


@dataclass(frozen=True)
class Case:
    """What a CounterFact record says in truth: a fact and its rephrased prompt, and the fact of a neighbour."""

    subject: str
    answer: str
    prompt: str
    rephrased: str
    neighbour: str
    neighbour_answer: str

    @classmethod
    def of(cls, record: EditRecord) -> Case:
        """The record's case; its answer is the former one, not the edit's target."""
        asked = {probe.kind: probe for probe in record.probes}
        near = asked["locality_near"]
        rephrased = asked["paraphrase"].prompt
        return cls(record.subject, record.original, record.prompt, rephrased, near.prompt, near.target)


@dataclass(frozen=True)
class Question:
    """A prompt taken apart: what stands `before` the question, its `wording`, and the `subject`."""

    wording: str
    subject: str
    before: str = ""

    @property
    def prompt(self) -> str:
        """The prompt put together again."""
        return self.before + self.wording.replace(SUBJECT, self.subject, 1)


class Wordings:
    """All wordings of CounterFact's records, and which of them ask the same."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._direct = Counter(_blank(case.prompt, case.subject) for case in cases)
        longest_first = sorted(self._direct, key=lambda wording: (-len(wording), wording))
        self._patterns = [(wording, _pattern(wording)) for wording in longest_first]
        self._rephrased = Counter(
            _blank(case.rephrased, case.subject) for case in cases if case.subject in case.rephrased
        )
        self._neighbours: dict[str, Question | None] = {}
        self._links: dict[str, Counter[str]] = defaultdict(Counter)
        self._answers: dict[str, set[str]] = defaultdict(set)
        for case in cases:
            self._learn(case)

    def asked(self, case: Case) -> Question:
        """The record's own question."""
        return Question(_blank(case.prompt, case.subject), case.subject)

    def neighbour(self, case: Case) -> Question | None:
        """The question about the neighbour, of whom the record gives only the prompt; None where no wording fits."""
        if case.neighbour not in self._neighbours:
            matches = ((wording, pattern.fullmatch(case.neighbour)) for wording, pattern in self._patterns)
            found = next((Question(wording, match[1]) for wording, match in matches if match), None)
            self._neighbours[case.neighbour] = found
        return self._neighbours[case.neighbour]

    def rephrased(self, case: Case) -> Question | None:
        """The rephrased question, a known wording cut free of the sentence before it; None where none fits."""
        if case.subject not in case.rephrased:
            return None
        text = _blank(case.rephrased, case.subject)
        if self._rephrased[text] >= LEAST_USES or text in self._direct:
            return Question(text, case.subject)
        for wording, _ in self._patterns:
            if text.endswith(f" {wording}") or text.endswith(f"\n{wording}"):
                return Question(wording, case.subject, text[: -len(wording)])
        return None

    def of_same_relation(self, wording: str, answer: str) -> list[str]:
        """Other wordings that ask the same and take this answer somewhere, in alphabetical order.

        The answer tells apart what one wording leaves open: "X is in" a country, but "in the continent" of no country.
        """
        linked = self._links[wording]
        least = max(2.0, LEAST_SHARE * sum(linked.values()))
        return sorted(
            other
            for other, count in linked.items()
            if other != wording and count >= least and answer in self._answers[other]
        )

    def _learn(self, case: Case) -> None:
        own, rephrased, neighbour = self.asked(case), self._rephrased_only(case), self.neighbour(case)
        self._answers[own.wording].add(case.answer)
        for other, answer in ((rephrased, case.answer), (neighbour, case.neighbour_answer)):
            if other is not None:
                self._answers[other.wording].add(answer)
                self._links[own.wording][other.wording] += 1
                self._links[other.wording][own.wording] += 1

    def _rephrased_only(self, case: Case) -> Question | None:
        """A rephrased question whose wording no prompt has: "X was born in" means a place, whatever it rephrases."""
        found = self.rephrased(case)
        return None if found is None or found.wording in self._direct else found


def _blank(prompt: str, subject: str) -> str:
    return prompt.replace(subject, SUBJECT, 1)


def _pattern(wording: str) -> re.Pattern[str]:
    before, after = wording.split(SUBJECT, 1)
    return re.compile(f"{re.escape(before)}(.+){re.escape(after)}")
