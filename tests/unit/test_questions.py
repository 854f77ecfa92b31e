"""Questions that stand for what a model is asked, where nobody said what that is."""

from __future__ import annotations

from types import SimpleNamespace

from tests.models import tiny_language_model
from wise.lm.pseudo_edits import pseudo_edits
from wise.lm.questions import FORMS, NAMES, questions


class Letters:
    """A tokenizer that knows all letters but some."""

    unk_token_id = 0

    def __init__(self, unknown: str = "") -> None:
        self.unknown = unknown

    def __call__(self, texts, add_special_tokens):
        return {"input_ids": [[int(letter not in self.unknown) for letter in text] for text in texts]}


def test_all_pairs_of_forms_and_names_come_before_one_comes_again():
    lm = SimpleNamespace(tokenizer=Letters())
    everything = questions(lm, 10_000)
    assert len(everything) == len(set(everything)) == len(FORMS) * len(NAMES)
    assert questions(lm, 7) == everything[:7]


def test_what_the_tokenizer_cannot_read_is_left_out():
    some = questions(SimpleNamespace(tokenizer=Letters("?")), 10_000)
    assert some and not any("?" in question for question in some)
    assert questions(tiny_language_model("llama"), 100) == [], "a tokenizer of some thirty words"


def test_edits_leave_the_given_questions_alone():
    texts = [f"one two three {word} four five" for word in ("a", "b", "c")]
    plain, asked = pseudo_edits(texts), pseudo_edits(texts, ["Who is it?", "It is in"])
    assert [record.unrelated_prompt for record in asked] == ["Who is it?", "It is in", "Who is it?"]
    assert all(record.irrelevant.startswith(record.unrelated_prompt + " ") for record in asked)
    assert [record.unrelated_prompt for record in plain] == ["one two three"] * 3
