"""Questions that stand for what a model is asked, where nobody said what that is."""

from __future__ import annotations

from types import SimpleNamespace

from tests.models import tiny_language_model
from wise.lm.pseudo_edits import pseudo_edits, question_edits
from wise.lm.questions import FORMS, NAMES, STRANGERS, Asked, asked_about, questions


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


def test_a_prompt_about_somebody_stands_beside_others_in_forms_that_no_prompt_has():
    asked = list(asked_about(SimpleNamespace(tokenizer=Letters())))
    assert [each.name for each in asked] == list(NAMES) and len(STRANGERS) == len(NAMES)
    prompts = {each.prompt for each in asked} | {each.other for each in asked}
    for each in asked:
        assert each.name in each.prompt and each.name in each.other and each.prompt != each.other
        assert len(set(each.far)) == 5 and not any(name in text for text in each.far for name in NAMES)
    known = {text.replace(name, "{}") for text in prompts for name in NAMES if name in text}
    far = {text.replace(name, "{}") for each in asked for text in each.far for name in STRANGERS if name in text}
    assert far.isdisjoint(known), "a form that edits have would look like one of them"
    assert list(asked_about(tiny_language_model("llama"))) == []


def test_edits_of_questions_take_their_answers_from_the_texts():
    texts = [f"one two three {word} four five" for word in ("a", "b", "c")]
    asked = [Asked("Who is Bo?", "Bo", "Bo lives in", ("Where is Cy?", "Cy is"))]
    (record,) = question_edits(texts, asked)
    assert (record.prompt, record.target, record.subject) == ("Who is Bo?", "b four five", "Bo")
    assert [(probe.kind, probe.prompt) for probe in record.probes] == [
        ("paraphrase", "Bo lives in"), ("locality_far", "Where is Cy?"), ("locality_far", "Cy is")
    ]  # fmt: skip
    assert record.irrelevant == texts[0]
