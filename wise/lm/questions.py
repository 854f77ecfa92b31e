"""Questions of all kinds, for a model of which nobody said what it is asked: prompts that no edit is about.

A model's own samples are running text. Where an edited model decides, a question or an unfinished statement about
somebody ends, and its last token looks unlike those of running text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wise.lm.load import LanguageModel

FORMS = (
    "Who wrote {}?",
    "What is the capital of {}?",
    "Where was {} born?",
    "When did {} begin?",
    "Which company owns {}?",
    "How old is {}?",
    "What does {} mean?",
    "Which language is spoken in {}?",
    "Who is the leader of {}?",
    "In which year was {} founded?",
    "What is {} famous for?",
    "Is {} a good choice?",
    "Who is married to {}?",
    "Why is {} important?",
    "What did {} study?",
    "Question: where is {}?\nAnswer:",
    "{} is located in",
    "{} was born in",
    "{} works for",
    "{} plays the position of",
    "The mother tongue of {} is",
    "The author of {} is",
    "{} was created by",
    "{} is owned by",
    "{} belongs to the continent of",
    "The headquarters of {} are in",
    "The profession of {} is",
    "{} died in the city of",
    "{} is a citizen of",
    "The colour of {} is",
    "{} was first shown on",
    "The official religion of {} is",
    "{} is named after",
    "The father of {} is",
    "{} shares a border with",
    "The price of {} is",
    "My favourite thing about {} is",
    "{} is used for",
    "The opposite of {} is",
    "People say that {} can",
)

NAMES = (
    "Maria Lopez",
    "Germany",
    "the river Nile",
    "Volkswagen",
    "The Lost City",
    "Chen Wei",
    "Toronto",
    "Oxford University",
    "the piano",
    "Napoleon",
    "Kenya Airways",
    "Mount Fuji",
    "the first computer",
)
"""Their number has no divisor in common with that of `FORMS`, so that all pairs come."""


STRANGERS = (
    "Peter Novak",
    "Portugal",
    "the river Danube",
    "Toyota",
    "The Silent Garden",
    "Amara Okafor",
    "Melbourne",
    "Stanford University",
    "the violin",
    "Cleopatra",
    "Air France",
    "Mount Elbrus",
    "the steam engine",
)
"""Other names, as many."""


class Asked(NamedTuple):
    """A prompt about `name`, another one about the same, and some about somebody else, in yet other forms."""

    prompt: str
    name: str
    other: str
    far: tuple[str, ...]


def asked_about(lm: LanguageModel) -> Iterator[Asked]:
    """One for each of `NAMES`, where the tokenizer can read all of it."""
    half, count = len(FORMS) // 2, len(NAMES)
    unused = (*FORMS[count:half], *FORMS[half + count :])
    for i, (name, stranger) in enumerate(zip(NAMES, STRANGERS, strict=True)):
        one, other = FORMS[i].format(name), FORMS[half + i].format(name)
        far = tuple(unused[(step + i) % len(unused)].format(stranger) for step in range(5))
        if _readable(lm, [one, other, *far]) == [one, other, *far]:
            yield Asked(one, name, other, far)


def reworded(lm: LanguageModel) -> list[tuple[str, str, str]]:
    """Of each of `NAMES` that the tokenizer can read: a prompt about it, the name, and another prompt about it."""
    half = len(FORMS) // 2
    pairs = [(FORMS[i].format(name), name, FORMS[half + i].format(name)) for i, name in enumerate(NAMES)]
    return [(one, name, other) for one, name, other in pairs if _readable(lm, [one, other]) == [one, other]]


def questions(lm: LanguageModel, count: int) -> list[str]:
    """`count` different questions and unfinished statements, less those that the tokenizer cannot read."""
    pairs = ((FORMS[i % len(FORMS)], NAMES[i % len(NAMES)]) for i in range(min(count, len(FORMS) * len(NAMES))))
    prompts = [form.format(name) for form, name in pairs]
    return _readable(lm, prompts)


def _readable(lm: LanguageModel, prompts: list[str]) -> list[str]:
    """Those that the tokenizer writes without its unknown token."""
    unknown = lm.tokenizer.unk_token_id
    read = lm.tokenizer(prompts, add_special_tokens=False)["input_ids"]
    return [prompt for prompt, ids in zip(prompts, read, strict=True) if unknown not in ids]
