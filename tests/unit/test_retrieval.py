"""Retrieval: the prompt that is read, the threshold, and what of `generate` is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import GenerationConfig

from tests.models import tiny_language_model
from tests.rounding import other_rounding
from tests.tiny_edits import CONTEXTS, OTHERS, STREAM, edited, logits
from wise.editors.decision import Reading
from wise.editors.mechanisms.generate_arguments import inferred_mask
from wise.editors.registry import make_editor
from wise.editors.shared.pooling import pooled
from wise.editors.shared.scope_threshold import best_threshold, scope_threshold
from wise.errors import ConfigError, DataError
from wise.evaluate.ask import ask, questions_of
from wise.lm.answer import answer_pairs
from wise.lm.batch import Encoded


def test_the_prompt_is_the_nearest_edit_then_the_separator_then_the_question():
    editor = edited("retrieval", separator=" . ")
    prompt = editor.lm.tokenizer("Dee was born in")["input_ids"]
    read = editor.rewritten(editor._texts[1], tuple(prompt))
    assert editor.lm.tokenizer.decode(read) == "<bos> Bo lives in the city of North West . Dee was born in"


def test_a_routed_question_is_answered_as_by_the_unedited_model_from_the_rewritten_prompt():
    editor = edited("retrieval", separator=" . ", threshold=0.99)
    reply = ask(editor, questions_of([0], STREAM)[:1])[0]
    assert reply.choice == "side 1" and reply.score == pytest.approx(1.0, abs=1e-5)
    with editor.unedited():
        plain = answer_pairs(editor.lm, ["Ada was born in Port Hill . Ada was born in"], ["Port Hill"])[0]
    assert reply.answer.nll == pytest.approx(plain.nll, abs=1e-5)


def test_other_questions_and_plain_forward_calls_are_unedited():
    editor = edited("retrieval", threshold=0.999)
    for reply in ask(editor, questions_of(range(3), STREAM)):
        assert reply.choice == "main" or reply.score >= 0.999
    assert torch.equal(logits(editor.lm, [r.prompt for r in STREAM]),
                       logits(tiny_language_model(), [r.prompt for r in STREAM]))  # fmt: skip


def test_an_edit_always_answers_its_own_prompt_whatever_the_rounding():
    editor = edited("retrieval", threshold=1.0)
    with other_rounding(1):
        replies = ask(editor, [questions_of([index], STREAM)[0] for index in range(3)])
    assert [reply.choice for reply in replies] == ["side 1", "side 2", "side 3"]
    assert all(reply.score == pytest.approx(1.0, abs=1e-5) for reply in replies)


def test_generation_puts_the_answer_behind_the_prompt_as_it_was_given():
    editor = edited("retrieval")
    inputs = editor.lm.tokenizer([STREAM[0].prompt, OTHERS[1]], return_tensors="pt", padding=True, padding_side="left")
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    tokens = editor.lm.model.generate(ids, attention_mask=mask, max_new_tokens=3, do_sample=False, eos_token_id=-1)
    assert torch.equal(tokens[:, : ids.shape[1]], ids) and tokens.shape[1] == ids.shape[1] + 3
    longest = editor.lm.model.generate(ids, attention_mask=mask, max_length=ids.shape[1] + 3, do_sample=False,
                                       eos_token_id=-1)  # fmt: skip
    assert torch.equal(longest, tokens), "a length limit counts the prompt that was given"


rewriting = pytest.mark.parametrize("name", ["retrieval", "serac"])


def batch(editor):
    inputs = editor.lm.tokenizer([STREAM[0].prompt, OTHERS[1]], return_tensors="pt", padding=True, padding_side="left")
    return inputs["input_ids"], inputs["attention_mask"]


def routed_alone(editor):
    """The prompt of the first edit, as `generate` is given it."""
    ids = editor.lm.tokenizer(STREAM[0].prompt, return_tensors="pt")["input_ids"]
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "do_sample": False}


@rewriting
@pytest.mark.parametrize("place", ["argument", "config", "model"])
def test_lengths_count_the_prompt_that_was_given_wherever_they_stand(name, place):
    editor = edited(name)
    given, model = routed_alone(editor), editor.lm.model
    length = given["input_ids"].shape[1] + 3
    lengths = {"max_length": length, "min_length": length, "eos_token_id": 3, "pad_token_id": 0}
    config = GenerationConfig(**lengths)
    if place == "argument":
        given |= lengths
    elif place == "config":
        given |= {"generation_config": config}
    else:
        model.generation_config = config
    tokens = model.generate(**given)
    assert tokens.shape[1] == length and 3 not in tokens[0, -3:]
    assert (config.max_length, config.min_length) == (length, length), "the caller's config stays as it is"
    if place == "config":
        assert torch.equal(tokens, model.generate(**routed_alone(editor), **lengths))


def test_the_counterfactual_model_answers_under_the_settings_of_the_model_that_is_asked():
    editor = edited("serac")
    given, model = routed_alone(editor), editor.lm.model
    settings = {"max_new_tokens": 4, "min_new_tokens": 4, "suppress_tokens": list(range(10, 40))}
    expected = model.generate(**given, **settings)
    model.generation_config.update(**settings)
    assert torch.equal(model.generate(**given), expected)


def test_the_counterfactual_model_ends_at_its_own_end_whatever_the_model_that_is_asked_says():
    editor = edited("serac")
    given, model = routed_alone(editor), editor.lm.model
    expected = model.generate(**given, max_new_tokens=10)
    assert expected.shape[1] < given["input_ids"].shape[1] + 10
    model.generation_config.eos_token_id = None
    assert torch.equal(model.generate(**given, max_new_tokens=10), expected)


@rewriting
def test_padding_is_recognised_as_transformers_does_where_no_mask_is_given(name):
    editor = edited(name)
    ids, mask = batch(editor)
    ids = torch.cat([torch.zeros_like(ids[:, :2]), ids], 1)
    mask = torch.cat([torch.zeros_like(mask[:, :2]), mask], 1)
    how = {"max_new_tokens": 3, "do_sample": False}
    expected = editor.lm.model.generate(ids, attention_mask=mask, **how)
    assert torch.equal(editor.lm.model.generate(ids, **how), expected)
    with editor.unedited():
        assert not torch.equal(editor.lm.model.generate(ids, **how), expected)


@pytest.mark.parametrize(
    ("pad", "end", "real"),
    [(0, 3, [0, 0, 1, 1]), (0, [3, 0], [1, 1, 1, 1]), (None, 3, [1, 1, 1, 1]), (9, None, [1, 1, 1, 1]),
     (0, None, [0, 0, 1, 1]), (torch.tensor(0), torch.tensor([3]), [0, 0, 1, 1])],
)  # fmt: skip
def test_the_mask_by_hand(pad, end, real):
    assert inferred_mask(torch.tensor([[0, 0, 2, 5]]), pad, end).tolist() == [real]


@pytest.mark.parametrize(
    "how", [{}, {"num_return_sequences": 2, "do_sample": True}, {"num_beams": 2, "num_return_sequences": 2}], ids=str
)
def test_allowed_tokens_are_asked_for_by_the_caller_s_row_and_text(how):
    editor = edited("retrieval", threshold=0.99)
    ids, mask = batch(editor)
    calls = {True: set(), False: set()}

    def allowed(edits):
        def by_row(row, text):
            calls[edits].add((row, *text.tolist()))
            return [5 + row]

        return by_row

    for edits in (True, False):
        options = {"attention_mask": mask, "max_new_tokens": 2, "do_sample": False} | how
        options["prefix_allowed_tokens_fn"] = allowed(edits)
        if edits:
            tokens = editor.lm.model.generate(ids, **options)
        else:
            with editor.unedited():
                assert torch.equal(editor.lm.model.generate(ids, **options), tokens)
    assert calls[True] == calls[False]


class Noted(list):
    """A streamer that keeps what it is given."""

    put = list.append
    ended = False

    def end(self):
        self.ended = True


def test_a_streamer_gets_the_prompt_that_was_given():
    editor, streamer = edited("retrieval"), Noted()
    given = routed_alone(editor)
    tokens = editor.lm.model.generate(**given, max_new_tokens=3, streamer=streamer)
    assert torch.equal(streamer[0], given["input_ids"]) and streamer.ended
    assert torch.equal(torch.cat([part.flatten() for part in streamer]), tokens[0])
    ids, mask = batch(editor)
    with pytest.raises(ConfigError, match="one at a time"):
        edited("retrieval", threshold=0.99).lm.model.generate(ids, attention_mask=mask, streamer=Noted())


@rewriting
def test_a_compiled_model_can_be_edited(name):
    editor = edited(name, count=0)
    plain = edited(name).lm.model.generate(**routed_alone(editor), max_new_tokens=3)
    compiled = torch.compile(editor.lm.model, backend="eager")
    editor.lm = replace(editor.lm, model=compiled)
    for record in STREAM:
        editor.edit(record)
    assert torch.equal(compiled.generate(**routed_alone(editor), max_new_tokens=3), plain)
    editor.rollback()
    assert "generate" not in vars(compiled._orig_mod)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"return_dict_in_generate": True}, "return_dict_in_generate"),
        ({"inputs_embeds": torch.zeros(1, 2, 32)}, "give input_ids"),
        ({"prefill_chunk_size": 2}, "prefill_chunk_size"),
    ],
)
def test_what_cannot_be_rewritten_is_refused(given, message):
    editor = edited("retrieval")
    with pytest.raises(ConfigError, match=message):
        editor.lm.model.generate(torch.tensor([[2, 5, 6]]), **given)
    with pytest.raises(ConfigError, match="needs input_ids"):
        editor.lm.model.generate(max_new_tokens=2)


def test_a_rewritten_prompt_that_is_too_long_is_named():
    text = edited("retrieval", count=1)._texts[0]
    editor = edited("retrieval")
    assert len(editor._instead(text, Encoded(text.ids[:50], 1)).ids) < 64
    with pytest.raises(DataError, match="needs 7. tokens, the context of the model that answers holds 64"):
        editor._instead(text, Encoded((5,) * 64, 60))


def test_the_threshold_lies_in_the_middle_of_the_widest_gap():
    inside, outside = torch.tensor([0.9, 0.7]), torch.tensor([0.1, 0.3])
    assert best_threshold(inside, outside).item() == pytest.approx(0.5)
    mixed = torch.tensor([0.95, 0.9, 0.8, 0.2]), torch.tensor([0.1, 0.3, 0.35, 0.5])
    assert best_threshold(*mixed).item() == pytest.approx(0.65)  # one of four missed, none taken


def test_questions_of_other_edits_are_outside():
    similarity = torch.tensor([[0.9, 0.2], [0.6, 0.8], [0.1, 0.3]])  # two inside, of edits 0 and 1, and one outside
    threshold = scope_threshold(similarity, torch.tensor([0, 1, 0]), 2)
    assert threshold.item() == pytest.approx((0.6 + 0.8) / 2)


def test_retrieval_is_calibrated_on_training_records_and_says_so():
    editor = make_editor("retrieval", tiny_language_model(), 2, {}, CONTEXTS)
    with pytest.raises(ConfigError, match="call prepare"):
        editor.edit(STREAM[0])
    editor.prepare(STREAM)
    assert -1 < editor.measured()["threshold"] == editor.threshold < 1
    with pytest.raises(DataError, match="at least two training records"):
        editor.make_artifact(STREAM[:1])


@pytest.mark.parametrize("side", [0, 2])
def test_pooling_leaves_out_padding_answers_and_the_first_token(side):
    """Rows of one prompt of three tokens and an answer, with padding on either side."""
    inner = torch.arange(6.0)[None, :, None].expand(1, -1, 4)
    real = torch.tensor([[False] * side + [True] * 4 + [False] * (2 - side)])
    last = torch.tensor([side + 2])
    reading = Reading(inner, inner, real, last, last + 1)
    assert pooled(reading, "mean").tolist() == [[side + 1.5] * 4]
    assert pooled(reading, "last").tolist() == [[side + 2.0] * 4]
