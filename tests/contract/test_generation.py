"""Routing that survives generation: the same answer, however it is generated."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from functools import cache

import pytest
import torch
from transformers import pipeline

from tests.models import tiny_language_model
from tests.tiny_edits import OTHERS, STREAM, edited
from wise.editors.decision import Reading
from wise.editors.registry import editor_class
from wise.errors import ConfigError
from wise.lm.generate import generate_answers

PROMPT_SCORES = {"convention": "refined", "shards": 3, "positions": "prompt", "threshold": "recorded"}
VARIANTS = {
    "none": ("none", {}),
    "ft-l": ("ft-l", {}),
    "grace": ("grace", {}),
    "memoir": ("memoir", {}),
    "retrieval": ("retrieval", {}),
    "serac": ("serac", {}),
    "defer": ("defer", {"lr": 1e-3, "steps": 20, "context_prefixes": 0}),
    "wise-merge": ("wise-merge", {"shards": 3}),
    "wise-retrieve": ("wise-retrieve", {"shards": 3}),
    "mean-of-prompt": ("wise-retrieve", PROMPT_SCORES),
}
"""Editor and options; the last one scores all tokens of the prompt, so that padding could be taken for them."""

PROMPTS = [record.prompt for record in STREAM] + OTHERS[1:4]
NEW = 5

variants = pytest.mark.parametrize("variant", list(VARIANTS))
IN_FORWARD = [variant for variant, (name, _) in VARIANTS.items() if editor_class(name).in_forward]
"""Variants that edit plain forward calls too; the others rewrite what `generate` is given."""
in_forward = pytest.mark.parametrize("variant", IN_FORWARD)
routed = pytest.mark.parametrize("variant", [name for name in IN_FORWARD if name not in ("none", "ft-l")])
families = pytest.mark.parametrize(
    ("variant", "family"),
    [(variant, "llama") for variant in VARIANTS]
    + [
        (variant, family)
        for variant in ("wise-retrieve", "mean-of-prompt")
        for family in ("gpt2", "opt", "gemma3_text")
    ],
)
"""Every variant on one family; routing by one and by all tokens on others, which mask and pass on differently."""
FORWARD_FAMILIES = [pair for pair in families.args[1] if pair[0] in IN_FORWARD]
in_forward_families = pytest.mark.parametrize(("variant", "family"), FORWARD_FAMILIES)


@cache
def attached(variant: str, family: str = "llama", routing: str = "prefill", **further):
    """An editor with three edits in its model; the tests here only ask it."""
    name, options = VARIANTS[variant]
    return edited(name, family, **options, **({"routing": routing} if name.startswith("wise") else {}), **further)


def encoded(editor, prompts=PROMPTS, side="left"):
    inputs = editor.lm.tokenizer(list(prompts), return_tensors="pt", padding=True, padding_side=side)
    return {key: inputs[key] for key in ("input_ids", "attention_mask")}


def continued(editor, prompts=PROMPTS, **how) -> list[list[int]]:
    """New tokens of every sequence that is generated, from a left-padded batch."""
    inputs = encoded(editor, prompts)
    tokens = editor.lm.model.generate(**inputs, max_new_tokens=NEW, pad_token_id=0, **{"do_sample": False} | how)
    return tokens[:, inputs["input_ids"].shape[1] :].tolist()


def one_by_one(editor, prompts=PROMPTS, **how) -> list[list[int]]:
    """The same from each prompt alone, padded behind its end as in a batch."""
    rows = [row for prompt in prompts for row in continued(editor, [prompt], **how)]
    return [row + [0] * (max(map(len, rows)) - len(row)) for row in rows]


@contextmanager
def decisions(editor):
    """Choices of every decision that is taken inside the block, in order."""
    taken, decide = [], editor.decide

    def noting(reading: Reading):
        routing = decide(reading)
        taken.append(routing.choice.tolist())
        return routing

    editor.decide = noting
    try:
        yield taken
    finally:
        del editor.decide


def chosen(editor, prompts=PROMPTS) -> list[int]:
    with decisions(editor) as taken:
        continued(editor, prompts)
    return taken[0]


# Greedy


@families
def test_greedy_answers_are_the_same_with_and_without_cache_alone_and_in_a_batch(variant, family):
    editor = attached(variant, family)
    expected = one_by_one(editor, use_cache=False)
    assert one_by_one(editor) == expected
    assert continued(editor) == expected
    assert continued(editor, use_cache=False) == expected
    assert continued(editor, PROMPTS[::-1]) == expected[::-1]


@routed
def test_the_prompts_of_these_tests_are_answered_by_different_memories(variant):
    choices = chosen(attached(variant))
    assert len(set(choices)) > 1 and any(choices[: len(STREAM)])


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt", "gemma3_text"])
@pytest.mark.parametrize("variant", ["wise-merge", "wise-retrieve"])
def test_the_answer_is_that_of_a_plain_model_whose_matrix_is_the_chosen_memory(variant, family):
    editor = attached(variant, family, until="always")
    model, module = editor.lm.model, editor.site.module
    answers, choices = one_by_one(editor), chosen(editor)
    with editor.unedited():
        own = module.weight
        for prompt, answer, choice in zip(PROMPTS, answers, choices, strict=True):
            delta = editor.bank.served()[choice - 1].delta if choice else 0.0
            module.weight = editor.site.parameter(editor.site.weight + delta)
            ids = encoded(editor, [prompt])["input_ids"]
            for token in answer[: (answer + [3]).index(3) + 1]:
                with torch.no_grad():
                    following = model(input_ids=ids, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)
                assert following.item() == token
                ids = torch.cat([ids, following], 1)
            module.weight = own


@routed
def test_the_decision_is_taken_once_a_sequence_and_does_not_depend_on_padding(variant):
    editor = attached(variant)
    with decisions(editor) as cached:
        continued(editor)
    with decisions(editor) as uncached:
        continued(editor, use_cache=False)
    assert len(cached) == 1 and len(uncached) > 1
    assert all(choices == cached[0] for choices in uncached)
    assert [chosen(editor, [prompt])[0] for prompt in PROMPTS] == cached[0]


@in_forward_families
def test_a_plain_forward_call_is_the_same_padded_on_either_side(variant, family):
    editor = attached(variant, family)
    with torch.no_grad():
        for side in ("left", "right"):
            inputs = encoded(editor, side=side)
            position_ids = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
            together = editor.lm.model(**inputs, position_ids=position_ids).logits
            for row, prompt in enumerate(PROMPTS):
                alone = editor.lm.model(**encoded(editor, [prompt])).logits[0]
                real = together[row][inputs["attention_mask"][row].bool()]
                torch.testing.assert_close(real, alone, atol=1e-4, rtol=1e-4)


# Beams and samples


@variants
@pytest.mark.parametrize("returned", [1, 3])
def test_beam_search_is_the_same_with_and_without_cache_alone_and_in_a_batch(variant, returned):
    editor = attached(variant)
    how = {"num_beams": 3, "num_return_sequences": returned}
    expected = one_by_one(editor, use_cache=False, **how)
    assert len(expected) == returned * len(PROMPTS)
    assert one_by_one(editor, **how) == expected
    assert _padded(continued(editor, **how)) == _padded(expected)
    assert _padded(continued(editor, use_cache=False, **how)) == _padded(expected)


@families
def test_samples_are_the_same_with_and_without_cache(variant, family):
    editor = attached(variant, family)
    drawn = []
    for use_cache in (True, False):
        torch.manual_seed(0)
        drawn.append(continued(editor, use_cache=use_cache, do_sample=True, top_k=5, num_return_sequences=2))
    assert drawn[0] == drawn[1]
    assert drawn[0] != [row for row in continued(editor) for _ in range(2)], "nothing was sampled"


# Other ways to call the model


@variants
def test_a_text_generation_pipeline_gives_the_same_answers_in_batches(variant):
    editor = attached(variant)
    tokenizer = copy.deepcopy(editor.lm.tokenizer)
    tokenizer.padding_side = "left"
    ask = pipeline("text-generation", model=editor.lm.model, tokenizer=tokenizer)
    for size in (1, 3):
        replies = ask(PROMPTS, batch_size=size, max_new_tokens=NEW, do_sample=False, return_full_text=False)
        assert [reply[0]["generated_text"].strip() for reply in replies] == generate_answers(editor.lm, PROMPTS, NEW)


@families
def test_a_static_cache_gives_the_same_answers(variant, family):
    editor = attached(variant, family)
    assert continued(editor, cache_implementation="static") == continued(editor)


@in_forward_families
def test_embeddings_in_the_place_of_tokens_give_the_same_answers(variant, family):
    editor = attached(variant, family)
    inputs = encoded(editor)
    embedded = editor.lm.model.get_input_embeddings()(inputs.pop("input_ids"))
    tokens = editor.lm.model.generate(
        inputs_embeds=embedded, **inputs, max_new_tokens=NEW, do_sample=False, pad_token_id=0
    )
    assert tokens.tolist() == continued(editor)


@variants
@pytest.mark.parametrize("draft", ["another model", "the prompt", "its own first layers"])
def test_assisted_decoding_gives_the_same_answers(variant, draft):
    editor = attached(variant)
    how = {
        "another model": {"assistant_model": tiny_language_model("llama", seed=1).model},
        "the prompt": {"prompt_lookup_num_tokens": 2},
        "its own first layers": {"assistant_early_exit": 3},
    }
    assert one_by_one(editor, **how[draft]) == one_by_one(editor)


@routed
@pytest.mark.parametrize("told", ["whole text", "new tokens"])
def test_a_second_turn_is_routed_on_its_own_prompt(variant, told):
    editor = attached(variant)
    model = editor.lm.model
    pairs = [(PROMPTS[0], PROMPTS[4]), (PROMPTS[5], PROMPTS[1]), (PROMPTS[1], PROMPTS[2])]
    found = []
    for first, second in pairs:
        ids = encoded(editor, [first])["input_ids"]
        turn = model.generate(ids, max_new_tokens=3, do_sample=False, eos_token_id=-1, return_dict_in_generate=True)
        text = torch.cat([turn.sequences, encoded(editor, [second])["input_ids"]], 1)
        past = turn.past_key_values
        inputs = {"input_ids": text if told == "whole text" else text[:, past.get_seq_length() :]}
        inputs["attention_mask"] = torch.ones_like(text)
        with decisions(editor) as fresh:
            model.generate(text, max_new_tokens=NEW, do_sample=False)
        with decisions(editor) as going_on:
            model.generate(**inputs, past_key_values=past, max_new_tokens=NEW, do_sample=False)
        found.append(going_on)
        if variant != "mean-of-prompt":  # whose score sees only the tokens that are read now
            assert going_on == fresh
    assert all(len(taken) == 1 for taken in found)


@pytest.mark.parametrize("variant", ["grace", "wise-retrieve"])
def test_a_prompt_read_in_chunks_is_refused(variant):
    editor = attached(variant)
    with pytest.raises(ConfigError, match="leave out prefill_chunk_size"):
        continued(editor, prefill_chunk_size=2)
    config = copy.deepcopy(editor.lm.model.generation_config)
    config.prefill_chunk_size = 2
    with pytest.raises(ConfigError, match="leave out prefill_chunk_size"):
        continued(editor, generation_config=config)


def _padded(rows: list[list[int]]) -> list[list[int]]:
    """Rows up to their end token, of one length; what a beam holds behind it is no answer."""
    ended = [row[: ([*row, 3]).index(3) + 1] for row in rows]
    longest = max(map(len, ended))
    return [row + [0] * (longest - len(row)) for row in ended]
