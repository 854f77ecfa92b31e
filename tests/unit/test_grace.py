"""GRACE's codebook on a scripted sequence: add, expand, split; which tokens get a value."""

from __future__ import annotations

from statistics import mean

import pytest
import torch

from tests.models import tiny_language_model
from tests.tiny_edits import STREAM, edited, ready
from wise.editors.base import EditOutcome
from wise.editors.decision import Reading, Routing
from wise.editors.grace import COVER, GraceConfig
from wise.editors.registry import make_editor
from wise.editors.shared.pooling import pooled_prompts
from wise.errors import ConfigError
from wise.evaluate.ask import ask, questions_of
from wise.lm.batch import Encoded, encode_prompts
from wise.lm.load import wrap
from wise.options import choices
from wise.records import EditRecord


class Scripted:
    """An editor whose edits have keys on a line: the prompt is the point, the target the label."""

    def __init__(self, monkeypatch, **options):
        self.editor = ready("grace", radius=1.0, **options)
        features = self.editor.site.weight.shape[1]
        self.axis = torch.eye(features)[0]
        rows = type("Rows", (), {"query": lambda _: self.point * self.axis[None]})()
        monkeypatch.setattr(self.editor, "rows", lambda record, context_prefixes: rows)
        monkeypatch.setattr(self.editor, "_first_value", lambda frozen: torch.zeros(self.editor.site.weight.shape[0]))
        monkeypatch.setattr(self.editor, "_fit", lambda value, frozen, record: (value + 1, EditOutcome(1, 0.0)))

    def edit(self, point, label):
        self.point = point
        self.editor._learn(EditRecord(f"{point} {label}", str(point), label, "x"))

    @property
    def keys(self):
        return self.editor._keys[:, 0].tolist()

    def choices(self, *points):
        inner = torch.tensor(points)[:, None, None] * self.axis
        start = torch.zeros(len(points), dtype=torch.long)
        real = torch.ones(len(points), 1, dtype=torch.bool)
        return self.editor.decide(Reading(inner, inner, real, start, start)).choice.tolist()


def test_a_prompt_that_is_edited_again_has_the_new_answer_alone():
    first, other, *_ = STREAM
    again = EditRecord("again", first.prompt, other.target, first.subject)
    editor = ready("grace", steps=60, radius=1.0, context_prefixes=0)
    editor.edit_all([first, other])
    outcome = editor.edit(again)
    answer = ask(editor, questions_of([0], [again])[:1])[0].answer
    assert editor._labels == [other.target, other.target] and editor._radii.tolist() == [1.0, 1.0]
    assert mean(answer.nll) == pytest.approx(outcome.loss, abs=0.05), "the loss of a value that is read"
    assert editor.holder("again") == editor.holder(first.id) == 1


def test_a_scripted_sequence_adds_expands_and_splits(monkeypatch):
    book = Scripted(monkeypatch)
    book.edit(0.0, "a")
    book.edit(10.0, "b")  # beyond 0's radius by more than the first radius: a new key
    assert book.keys == [0.0, 10.0] and book.editor._radii.tolist() == [1.0, 1.0]
    book.edit(1.75, "a")  # within the two radii of 0, the same label: its radius covers the new edit
    assert book.keys == [0.0, 10.0] and book.editor._radii.tolist() == pytest.approx([1.75 * COVER, 1.0])
    book.edit(0.5, "a")  # covered already
    assert book.editor._radii.tolist() == pytest.approx([1.75 * COVER, 1.0])
    book.edit(2.5, "c")  # another label: both keys end half way
    assert book.keys == [0.0, 10.0, 2.5]
    assert book.editor._radii.tolist() == pytest.approx([1.25 - 1e-5, 1.0, 1.25])
    assert book.editor._labels == ["a", "b", "c"], "labels stay in the order of their keys"
    book.edit(10.2, "b")  # the third edit of key 2 goes on with its value
    assert [value[0].item() for value in book.editor._values] == [3.0, 2.0, 1.0]
    assert book.choices(0.0, 1.2, 1.3, 10.9, 11.1, 5.0) == [1, 1, 3, 2, 0, 0]


def test_a_moving_average_moves_the_key_half_way(monkeypatch):
    book = Scripted(monkeypatch, expand="moving_average")
    book.edit(0.0, "a")
    book.edit(1.5, "a")
    assert book.keys == [0.75] and book.editor._radii.tolist() == pytest.approx([1.5 * COVER])


def test_an_edit_that_widened_a_key_is_answered_whatever_the_rounding_of_its_batch(monkeypatch):
    book = Scripted(monkeypatch)
    book.edit(0.0, "a")
    book.edit(1.75, "a")
    assert book.choices(1.75, 1.75 * (1 + 1e-6)) == [1, 1]


@pytest.fixture
def half():
    """GRACE on a model in bfloat16, its radius relative to the keys."""
    tiny = tiny_language_model()
    lm = wrap(tiny.model.to(torch.bfloat16), tiny.tokenizer, "tiny")
    return make_editor("grace", lm, 2, {"relative": True, "radius": 0.5}, ())


def test_a_relative_radius_is_measured_in_bfloat16(half):
    half.prepare(STREAM)
    queries = pooled_prompts(half, [record.prompt for record in STREAM], "last")
    assert half.measured()["first_radius"] == pytest.approx(0.5 * torch.pdist(queries.float()).median().item())


def test_radii_are_kept_wider_than_bfloat16(half):
    query = torch.zeros(1, half.site.weight.shape[1], dtype=torch.bfloat16)
    half._radii, _ = half._place(query, "a")
    half._keys, half._labels = query, ["a"]
    query = query.clone()
    query[0, :3] = 0.5
    radii, index = half._place(query, "a")
    assert index == 0 and radii.item() == pytest.approx(0.75**0.5 * COVER, rel=1e-6)


@pytest.mark.parametrize(
    ("replacement", "prompt", "later"),
    [
        ("replace_last", [[0, 1, 0], [0, 0, 0]], 0),
        ("replace_prompt", [[1, 1, 0], [0, 0, 0]], 0),
        ("replace_all", [[1, 1, 1], [0, 0, 0]], 1),
    ],
)
def test_a_value_replaces_the_tokens_it_should(replacement, prompt, later):
    """Two texts of three tokens, the second of which is the last prompt token; the second text is not routed."""
    editor = edited("grace", count=1, replacement=replacement)
    width, features = editor.site.weight.shape
    routing = Routing(torch.zeros(2), torch.zeros(2), torch.tensor([1, 0]))
    base = torch.full((2, 3, width), 7.0)
    output = editor.output(torch.zeros(2, 3, features), base, routing, torch.tensor([1, 1]))
    replaced = torch.tensor(prompt, dtype=torch.bool)
    assert (output[replaced] == editor._values[0]).all() and (output[~replaced] == 7.0).all()
    step = editor.output(torch.zeros(2, 1, features), base[:, :1], routing, None)
    assert torch.equal(step[0, 0], editor._values[0] if later else base[0, 0]) and (step[1] == 7.0).all()


@pytest.mark.parametrize("replacement", ["replace_prompt", "replace_all"])
def test_every_replacement_learns_what_it_answers(replacement):
    """The loss of training is that of the model that is asked."""
    editor = ready("grace", replacement=replacement, steps=60, lr=0.02)
    question = questions_of([0], STREAM)[:1]
    before = mean(ask(editor, question)[0].answer.nll)
    outcome = editor.edit(STREAM[0])
    after = mean(ask(editor, question)[0].answer.nll)
    assert after < before - 0.5 and after == pytest.approx(outcome.loss, abs=0.05)


@pytest.mark.parametrize("replacement", choices(GraceConfig)["replacement"])
def test_free_answers_are_what_the_model_says_teacher_forced_on_them(replacement):
    """Also behind the target, where nothing was learned: decided once, with a cache, padded on the left."""
    editor = edited("grace", replacement=replacement)
    lm, prompts = editor.lm, [record.prompt for record in STREAM]
    inputs = lm.tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
    tokens = lm.model.generate(
        input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"],
        max_new_tokens=6, do_sample=False, pad_token_id=0, eos_token_id=-1,
    )[:, inputs["input_ids"].shape[1] :].tolist()  # fmt: skip
    for prompt, answer in zip(encode_prompts(lm, prompts), tokens, strict=True):
        frozen = editor.frozen([Encoded((*prompt.ids, *answer), len(prompt.ids))])
        routing = editor.decide(Reading.of(frozen))
        assert routing.choice.item() and editor.answer(frozen, routing).argmax(-1).tolist() == answer


def test_unknown_choices_name_the_valid_ones():
    with pytest.raises(ConfigError, match="replace_last"):
        ready("grace", replacement="replace_lst")
    with pytest.raises(ConfigError, match="coverage"):
        ready("grace", expand="cover")
