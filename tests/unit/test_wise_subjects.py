"""Scopes that are told by subjects: functions of a token, thresholds, and which of several memories answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.side_memories import STREAM, edited
from wise.editors.base import EditOutcome
from wise.editors.decision import Reading
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise import editor as editor_module
from wise.editors.wise.subject_keys import _pairs
from wise.editors.wise.subject_scope import HIGHEST, LOWEST, PromptTokens, SubjectScope, recognised, threshold, values
from wise.lm.batch import encode_prompts
from wise.memory.store import load_into, save
from wise.records import Probe

METRIC = torch.diag(torch.tensor([1.0, 4.0]))
UNRELATED = PromptTokens(torch.tensor([[0.0, 0.1], [0.0, 0.2], [0.0, -1.0]]), torch.tensor([0, 0, 1]))
"""Two prompts, of two tokens and of one; the largest share of the key (0, 1) is .2 in the first, -1 in the second."""


def made(name: str = "wise-retrieve", count: int = 4, **options):
    return edited(
        name,
        count,
        **{"convention": "whitened", "scope": "subject", "steps": 30, "capacity": 1, "irrelevant": 4} | options,
    )


def asked(editor, prompts):
    """The decision on some prompts."""
    return editor.decide(Reading.of(editor.frozen(encode_prompts(editor.lm, prompts))))


def test_a_prompt_has_the_largest_score_of_its_tokens():
    assert UNRELATED.largest(torch.tensor([1.0, 3.0, -2.0])).tolist() == [3.0, -2.0]


def test_an_edit_s_functions_are_one_at_its_subject_and_zero_at_the_bound_of_unrelated_prompts():
    scope = SubjectScope.learned(torch.tensor([[0.0, 1.0], [2.0, 0.0]]), METRIC, UNRELATED)
    bound = torch.tensor([0.2, -1.0]).quantile(0.98)
    at = values(torch.tensor([[0.0, 1.0], [5.0, bound], [2.0, 0.0], [0.0, 0.0]]), scope.ways)
    torch.testing.assert_close(at[:2, 0], torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(at[2:, 1], torch.tensor([1.0, 0.0]))


def test_a_subject_like_unrelated_ones_is_measured_by_the_least_distance():
    common = PromptTokens(torch.tensor([[0.0, 3.0]]), torch.tensor([0]))
    scope = SubjectScope.learned(torch.tensor([[0.0, 1.0]]), METRIC, common)
    at = values(torch.tensor([[0.0, 1.0], [0.0, 0.9]]), scope.ways)[:, 0]
    torch.testing.assert_close(at, torch.tensor([1.0, 0.0]))


def test_texts_are_scored_by_the_tokens_of_their_span():
    scope = SubjectScope(torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.5]]))
    inner = torch.tensor([[[1.0, 2.0], [9.0, 9.0]], [[0.0, 0.0], [3.0, 1.0]]])  # (2, 2, f)
    span = torch.tensor([[True, False], [True, True]])
    assert scope.scores(inner, span).tolist() == [2.0, 3.5]


@pytest.mark.parametrize(("score", "expected"), [(0.3, 0.6), (0.7, HIGHEST), (0.1, LOWEST)])
def test_the_threshold_bounds_what_unrelated_prompts_reach_in_any_memory(score, expected):
    scopes = [SubjectScope(torch.tensor([[factor, 0.0, 0.0]])) for factor in (1.0, 2.0)]
    unrelated = PromptTokens(torch.tensor([[score, 0.0]] * 3), torch.arange(3))
    assert threshold(scopes, unrelated).item() == pytest.approx(expected)


def test_a_subject_is_recognised_where_its_own_prompt_is_the_nearest():
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    apart = PromptTokens(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([0, 1]))
    swapped = PromptTokens(apart.inner.flip(0), apart.prompt)
    assert recognised(keys, apart, METRIC) == 1.0
    assert recognised(keys, swapped, METRIC) == 0.0


def test_scopes_are_told_by_activation_where_no_training_record_has_another_wording():
    same_words = made(count=1, scope="measured")
    assert same_words.measured()["recognised_by_subject"] == 0.0
    assert same_words.bank.served()[0].scope is None
    reworded = [replace(r, probes=(Probe("paraphrase", f"{r.subject} is", "x"),)) for r in STREAM]
    assert len(_pairs(reworded)) == len(STREAM) and not _pairs(STREAM)


@pytest.mark.parametrize(("by_subject", "by_last", "chosen"), [(0.9, 0.2, True), (0.7, 0.8, False), (0.4, 0.1, False)])
def test_the_token_that_recognises_more_prompts_scores_them_if_it_recognises_half(
    monkeypatch, by_subject, by_last, chosen
):
    monkeypatch.setattr(editor_module, "shares_recognised", lambda *_: (by_subject, by_last))
    editor = made(count=0, scope="measured")
    assert editor.needs_subject == chosen
    assert editor.measured()["recognised_by_last_token"] == by_last


@pytest.mark.parametrize("name", ["wise-retrieve", "wise-merge"])
def test_prompts_of_edits_are_answered_by_the_memory_that_holds_them(name):
    editor = made(name)
    choice = asked(editor, [record.prompt for record in STREAM[:4]]).choice.tolist()
    assert choice == ([1, 2, 3, 4] if name == "wise-retrieve" else [1] * 4)


def test_of_two_edits_of_one_subject_the_one_of_this_relation_answers():
    editor = made(count=1)
    other = replace(STREAM[0], id="other", prompt="Ada lives in the city of", target="West East")
    assert isinstance(editor.edit(other), EditOutcome)
    assert asked(editor, [STREAM[0].prompt, other.prompt]).choice.tolist() == [1, 2]


def test_another_wording_about_the_subject_is_nearer_than_one_about_another():
    near, far = asked(made(), ["the person Ada works in", "the person works for"]).score.tolist()
    assert near > far


def test_saved_scopes_load_onto_a_fresh_model(tmp_path):
    editor = made()
    save(editor, tmp_path / "memory.safetensors")
    fresh = made(count=0)
    load_into(fresh, tmp_path / "memory.safetensors")
    prompts = [record.prompt for record in STREAM]
    one, other = asked(editor, prompts), asked(fresh, prompts)
    assert torch.equal(one.score, other.score) and torch.equal(one.choice, other.choice)


def test_memories_saved_without_scopes_are_chosen_by_activation():
    editor = made()
    new = (".ways", ".tokens", ".prompts")
    old = {name: tensor for name, tensor in editor.memory().items() if not name.endswith(new)}
    editor._take_memory(old)
    served = editor.bank.served()
    assert [memory.scope for memory in served] == [None] * 4
    query = pooled_prompts(editor, [STREAM[0].prompt], "last")
    torch.testing.assert_close(asked(editor, [STREAM[0].prompt]).score, editor.tools.scores(query, served[0].delta))
