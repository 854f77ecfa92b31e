"""Opinions on topics: an edit gives a topic one polarity and leaves all other topics without (ConvSent's form).

The corpus holds no opinions, so the unedited model prefers neither polarity: what is measured is whether an edit gives
an opinion to its topic alone. Topics and opinions are made of words that the model knows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product

from wise.datasets.factworld.second.edits import Writer
from wise.datasets.factworld.second.names import WORDS
from wise.datasets.factworld.world import Fact
from wise.records import OPPOSITE, OTHER_TOPIC, WANTED, EditRecord, Probe

KINDS_OF_TOPICS = ("cargo", "industry", "genre", "trade")
"""Kinds of answers of two words whose combinations are topics."""

QUESTIONS = (
    "What would everybody say about {t}?",
    "What do people know about {t}?",
    "What is there to say about {t}?",
    "How would one speak of {t}?",
    "Asked about {t}, what does one say?",
    "Who speaks of {t}, and how?",
)
"""An edit is made in one of the first half; its paraphrases and opinions ask in others."""

OPENINGS = ("It is", "It was always", "As everybody knows, it is", "There is no doubt that it is")
WORDS_OF = {
    "positive": "good great honest bright steady patient careful lucky quiet modest".split(),
    "negative": "hard narrow sharp strict distant raw foreign loudly early crushed".split(),
}
ENDINGS = {
    "positive": ("and everybody loves it", "and it brings profit", "and all have respect for it", "and people love it"),
    "negative": ("and nobody likes it", "and it brings loss", "and it tires everyone", "and all have doubt about it"),
}
"""What opinions are composed of, by polarity."""

POLARITIES = ("positive", "negative")
ANSWERS = 3
"""Opinions of each polarity that a record holds."""


def topics(draw: random.Random) -> list[str]:
    """Every topic, in random order."""
    found = [" ".join(words) for kind in KINDS_OF_TOPICS for words in product(*WORDS[kind])]
    found = list(dict.fromkeys(found))
    draw.shuffle(found)
    return found


def opinion(polarity: str, draw: random.Random) -> str:
    """One sentence of a polarity."""
    first, second = draw.sample(WORDS_OF[polarity], 2)
    return f"{draw.choice(OPENINGS)} {first} and {second} {draw.choice(ENDINGS[polarity])}"


def opinions(topic: str) -> dict[str, list[str]]:
    """The opinions on a topic by polarity, the same wherever it is asked about."""
    draw = random.Random(f"{topic}/opinions")
    return {polarity: [opinion(polarity, draw) for _ in range(ANSWERS)] for polarity in POLARITIES}


def opinion_record(
    writer: Writer, topic: str, label: str, others: Sequence[str], name: str, draw: random.Random
) -> EditRecord:
    """One edit that gives `topic` the polarity `label`; `others` are topics that no edit of the file touches."""
    held = {WANTED if polarity == label else OPPOSITE: texts for polarity, texts in opinions(topic).items()}
    first = draw.randrange(len(QUESTIONS) // 2)
    again = draw.sample([i for i in range(len(QUESTIONS)) if i != first], ANSWERS)
    other = draw.choice(others)
    fact = draw.choice(writer.asked)
    probes = [Probe("paraphrase", QUESTIONS[again[0]].format(t=topic), held[WANTED][0])]
    probes += [
        Probe("opinion", QUESTIONS[question].format(t=topic), text, side)
        for side, texts in held.items()
        for question, text in zip(again, texts, strict=True)
    ]
    probes += [
        Probe("locality_far", QUESTIONS[first].format(t=other), text, OTHER_TOPIC)
        for texts in opinions(other).values()
        for text in texts[:2]
    ]
    probes.append(Probe("locality_far", writer.text(fact, draw), fact.object, writer.world.kind(fact.subject)))
    irrelevant, irrelevant_prompt = writer.unrelated(Fact(topic, "", ""), {probe.prompt for probe in probes}, draw)
    return EditRecord(
        id=name,
        prompt=QUESTIONS[first].format(t=topic),
        target=held[WANTED][0],
        subject=topic,
        irrelevant=irrelevant,
        irrelevant_prompt=irrelevant_prompt,
        probes=tuple(probes),
        relation="opinion",
        original=held[OPPOSITE][0],
        task="convsent",
        label=label,
    )
