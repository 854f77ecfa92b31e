"""Tokens of prompts and targets, answers at any batch size, contexts and free generation."""

from __future__ import annotations

import pytest
import torch

from tests.models import WORDS, tiny_language_model
from wise.errors import ConfigError, DataError
from wise.lm.answer import answer_pairs
from wise.lm.batch import by_length, collate, encode, encode_prompts, unsorted
from wise.lm.contexts import write_contexts
from wise.lm.generate import answer_of_length, generate_answers
from wise.lm.load import load_language_model, weights_digest
from wise.lm.plain_settings import plain_settings

PROMPTS = ["Ada was born in", "Bo lives in the city of", "the person works for", "Cy was a"]
TARGETS = ["Port Hill", "North West Hill", "East", "person of the city"]


@pytest.fixture(scope="module")
def lm():
    return tiny_language_model()


def test_targets_are_told_from_prompts_by_characters(lm):
    sequences = encode(lm, PROMPTS, TARGETS)
    for sequence, prompt, target in zip(sequences, PROMPTS, TARGETS, strict=True):
        assert lm.tokenizer.decode(sequence.target) == target
        assert lm.tokenizer.decode(sequence.ids[: sequence.start], skip_special_tokens=True) == prompt


def test_batch_marks_the_tokens_that_predict_targets(lm):
    batch = collate(encode(lm, PROMPTS[:2], TARGETS[:2]), pad=0)
    rows, positions = batch.predicting()
    # <bos> Ada was born in | Port Hill: tokens 4 and 5 predict; <bos> and six words | three: 6, 7, 8
    assert list(zip(rows.tolist(), positions.tolist(), strict=True)) == [(0, 4), (0, 5), (1, 6), (1, 7), (1, 8)]
    assert batch.attention_mask.sum(1).tolist() == batch.length.tolist() == [7, 10]


@pytest.mark.parametrize(
    ("prompt", "target", "message"),
    [("Ada was", " ", "empty"), (" ".join(WORDS * 3), "Hill", "context holds 64"), ("", "Hill", None)],
)
def test_what_cannot_be_asked_is_named(lm, prompt, target, message):
    if message is None:  # the first token stands before an empty prompt, so it can be asked
        assert encode(lm, [prompt], [target])[0].start == 1
        return
    with pytest.raises(DataError, match=message):
        encode(lm, [prompt], [target])


def test_empty_prompt_has_no_query(lm):
    with pytest.raises(DataError, match="empty"):
        encode_prompts(lm, ["Ada was", " "])


def test_batches_by_length_come_back_in_order(lm):
    sequences = encode(lm, PROMPTS, TARGETS)
    batches = list(by_length(sequences, 3))
    assert sorted(i for batch in batches for i in batch) == list(range(4))
    assert unsorted(batches, [[sequences[i] for i in batch] for batch in batches]) == sequences


def test_answers_equal_the_models_own_loss_at_any_batch_size(lm):
    answers = answer_pairs(lm, PROMPTS, TARGETS, batch_size=64)
    for size in (1, 3):
        for one, other in zip(answers, answer_pairs(lm, PROMPTS, TARGETS, batch_size=size), strict=True):
            assert one.predicted_tokens == other.predicted_tokens
            assert one.nll == pytest.approx(other.nll, abs=1e-6)
    ids = torch.tensor([encode(lm, PROMPTS[:1], TARGETS[:1])[0].ids])
    labels = ids.clone()
    labels[0, :5] = -100
    loss = lm.model(input_ids=ids, labels=labels).loss.item()
    assert sum(answers[0].nll) / len(answers[0].nll) == pytest.approx(loss, abs=1e-5)


def test_contexts_repeat_for_a_seed_and_hold_no_special_tokens(lm):
    texts = write_contexts(lm, count=5, length=6, seed=1)
    assert texts == write_contexts(lm, count=5, length=6, seed=1)
    assert texts != write_contexts(lm, count=5, length=6, seed=2)
    assert len(set(texts)) == 5 and all(len(text.split()) == 6 for text in texts)
    assert not any("<" in text for text in texts)


def test_contexts_that_cannot_be_different_are_refused(lm):
    with pytest.raises(ConfigError, match="different contexts"):
        write_contexts(lm, count=1000, length=1)


def test_free_answers_do_not_depend_on_the_batch(lm):
    together = generate_answers(lm, PROMPTS, 6)
    assert together == [generate_answers(lm, [prompt], 6)[0] for prompt in PROMPTS]
    assert together == generate_answers(lm, PROMPTS, 6, batch_size=2)


@pytest.mark.parametrize(
    "taste",
    [{"repetition_penalty": 5.0}, {"no_repeat_ngram_size": 1}, {"suppress_tokens": list(range(4, 20))},
     {"num_beams": 3}, {"num_beams": 2, "num_return_sequences": 2}, {"return_dict_in_generate": True},
     {"stop_strings": ["Port"]}, {"forced_eos_token_id": 3}, {"min_new_tokens": 6}, {"do_sample": True, "top_k": 2}],
    ids=str,
)  # fmt: skip
def test_free_answers_are_greedy_whatever_the_model_s_own_settings_are(lm, taste):
    expected = generate_answers(lm, PROMPTS, 6)
    opinionated = tiny_language_model()
    config = opinionated.model.generation_config
    config.update(**taste)
    assert generate_answers(opinionated, PROMPTS, 6) == expected
    answer_of_length(opinionated, PROMPTS[0], 3)
    assert opinionated.model.generation_config is config and config.to_diff_dict().items() >= taste.items()


def test_special_tokens_of_the_model_s_own_settings_stay(lm):
    with plain_settings(lm.model):
        config = lm.model.generation_config
        assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (2, 3, 0)


def test_models_load_from_folders_and_say_when_they_cannot(lm, tmp_path):
    lm.model.save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    loaded = load_language_model(tmp_path, device="cpu")
    assert weights_digest(loaded) == weights_digest(lm)
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    with pytest.raises(ConfigError, match="Did you mean 'bfloat16'"):
        load_language_model(tmp_path, dtype="bfloat")
    with pytest.raises(ConfigError, match="cannot load a language model"):
        load_language_model(tmp_path / "absent", device="cpu")
