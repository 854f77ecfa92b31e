"""Decisions of the router stay with their texts; what becomes of them where every step decides anew."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from tests.contract.test_generation import (
    NEW,
    PROMPTS,
    attached,
    continued,
    decisions,
    encoded,
    in_forward,
    one_by_one,
    routed,
    variants,
)
from tests.tiny_edits import STREAM, edited
from wise.errors import EditError


class Interrupted(Exception):
    """What a user's own code raises in the middle of an answer."""


class Interrupting(StoppingCriteria):
    """Raises at the second new token."""

    calls = 0

    def __call__(self, input_ids, scores, **kwargs):
        self.calls += 1
        if self.calls == 2:
            raise Interrupted
        return torch.zeros(len(input_ids), dtype=torch.bool)


@variants
def test_an_interrupted_answer_leaves_no_trace(variant):
    editor = attached(variant)
    expected = continued(editor), continued(editor, PROMPTS[::-1], use_cache=False)
    for use_cache in (True, False):
        with pytest.raises(Interrupted):
            continued(editor, stopping_criteria=StoppingCriteriaList([Interrupting()]), use_cache=use_cache)
        assert (continued(editor), continued(editor, PROMPTS[::-1], use_cache=False)) == expected


@in_forward
def test_answers_written_in_turns_do_not_mix(variant):
    """Two caches of one batch size, continued by hand, with other questions asked in between."""
    editor = attached(variant)
    expected = one_by_one(editor, eos_token_id=-1)
    states = [(encoded(editor, [prompt])["input_ids"], None) for prompt in PROMPTS]
    written = [[] for _ in PROMPTS]
    for _ in range(NEW):
        for row, (ids, past) in enumerate(states):
            with torch.no_grad():
                read = editor.lm.model(input_ids=ids, past_key_values=past, use_cache=True)
            following = read.logits[:, -1].argmax(-1, keepdim=True)
            written[row].append(following.item())
            states[row] = following, read.past_key_values
        with editor.unedited():
            pass
        continued(editor, PROMPTS[:1])
    assert written == expected


@routed
def test_a_continuation_of_another_batch_size_is_refused(variant):
    editor = attached(variant)
    with torch.no_grad():
        past = editor.lm.model(**encoded(editor, PROMPTS[:1]), use_cache=True).past_key_values
        past.batch_repeat_interleave(2)
        with pytest.raises(EditError, match="1 sequences were routed, 2 are continued"):
            editor.lm.model(input_ids=torch.tensor([[5], [5]]), past_key_values=past)


def test_a_cache_without_a_decision_is_refused():
    editor = edited("wise-retrieve", count=2)
    model, ids, following = editor.lm.model, encoded(editor, PROMPTS[:1])["input_ids"], torch.tensor([[5]])

    @torch.no_grad()
    def read():
        return model(input_ids=ids, use_cache=True).past_key_values

    @torch.no_grad()
    def go_on(past):
        return model(input_ids=following, past_key_values=past)

    with editor.unedited():
        unedited = read()
    past = read()
    go_on(past)
    for unknown in (unedited, copy.deepcopy(past)):
        with pytest.raises(EditError, match="no memory was chosen for the text in this cache"):
            go_on(unknown)
    editor.edit(STREAM[2])
    with pytest.raises(EditError, match="an edit was made since"):
        go_on(past)
    past = read()
    editor.rollback()
    editor.edit(STREAM[0])
    with pytest.raises(EditError, match="no memory was chosen for the text in this cache"):
        go_on(past)


# The released code's policy


def _unsteady(routing: str) -> list[list[int]]:
    """The memories that write each new token of the answers to the edited prompts, alone and with a cache."""
    editor = attached("wise-retrieve", routing=routing)
    answers = []
    for record in STREAM:
        with decisions(editor) as taken:
            continued(editor, [record.prompt], eos_token_id=-1)
        answers.append([choice for (choice,) in taken])
    return answers


def test_per_step_changes_its_memory_inside_an_answer_and_prefill_does_not():
    per_step = _unsteady("per_step")
    assert all(len(choices) == NEW and choices[0] > 0 for choices in per_step)
    assert any(len(set(choices)) > 1 for choices in per_step)
    assert all(len(choices) == 1 and choices[0] > 0 for choices in _unsteady("prefill"))


def test_per_step_depends_on_the_cache_where_its_score_is_a_mean_over_tokens():
    """The released score: over the whole text without a cache, of one token with it."""
    editor = attached("mean-of-prompt", routing="per_step")
    taken = {}
    for use_cache in (True, False):
        with decisions(editor) as choices:
            continued(editor, use_cache=use_cache, eos_token_id=-1)
        taken[use_cache] = choices
    assert len(taken[True]) == len(taken[False]) == NEW
    assert taken[True][0] == taken[False][0] and taken[True] != taken[False]


def test_per_step_may_read_its_prompt_in_chunks():
    editor = attached("wise-retrieve", routing="per_step")
    assert len(continued(editor, prefill_chunk_size=2)) == len(PROMPTS)
