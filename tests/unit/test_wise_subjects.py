"""Scopes that are told by subjects: how they are read, thresholds, and which of several memories answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.models import FAMILY_MODELS, tiny_language_model
from tests.side_memories import STREAM, edited
from wise.editors.base import EditOutcome
from wise.editors.decision import Reading
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise import subject_pairs
from wise.editors.wise.subject_pairs import _pairs
from wise.editors.wise.subject_reader import SubjectReader, hidden_states, subject_site
from wise.editors.wise.subject_scope import HIGHEST, LOWEST, PromptTokens, SubjectScope, recognised, threshold
from wise.errors import ConfigError
from wise.lm.batch import encode_prompts
from wise.memory.store import load_into, save
from wise.records import Probe


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
    tokens = PromptTokens(torch.zeros(3, 2), torch.tensor([0, 0, 1]))
    assert tokens.largest(torch.tensor([1.0, 3.0, -2.0])).tolist() == [3.0, -2.0]


def test_texts_are_scored_by_the_nearest_token_of_their_span():
    scope = SubjectScope(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    units = torch.tensor([[[0.6, 0.8], [1.0, 0.0]], [[0.0, -1.0], [0.8, 0.6]]])  # (2, 2, d)
    span = torch.tensor([[True, False], [True, True]])
    torch.testing.assert_close(scope.scores(units, span), torch.tensor([0.8, 0.8]))


@pytest.mark.parametrize(("score", "expected"), [(0.8, 0.8), (0.95, HIGHEST), (0.1, LOWEST)])
def test_the_threshold_bounds_what_unrelated_prompts_reach_in_any_memory(score, expected):
    scopes = [SubjectScope(torch.tensor([[1.0, 0.0]])), SubjectScope(torch.tensor([[0.0, 1.0]]))]
    unrelated = PromptTokens(torch.tensor([[0.0, score]] * 3), torch.arange(3))
    cosines = [scope.cosines(unrelated.units) for scope in scopes]
    assert threshold(cosines, unrelated).item() == pytest.approx(expected)


def test_a_subject_is_recognised_where_its_own_prompt_is_the_nearest():
    subjects = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    apart = PromptTokens(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([0, 1]))
    swapped = PromptTokens(apart.units.flip(0), apart.prompt)
    assert recognised(subjects, apart) == 1.0
    assert recognised(subjects, swapped) == 0.0


@pytest.mark.parametrize("family", sorted(FAMILY_MODELS))
def test_a_reader_sees_the_states_behind_an_early_layer_of_every_family(family):
    lm = tiny_language_model(family)
    site, texts = subject_site(lm, 2), [record.prompt for record in STREAM]
    reader = SubjectReader.measured(lm, site, texts)
    batch = lm.tokenizer(texts[:1], return_tensors="pt")
    with torch.no_grad():
        states = lm.model(**batch, output_hidden_states=True, use_cache=False).hidden_states[site.layer + 1]
    torch.testing.assert_close(hidden_states(lm, site, texts)[0], states[0], rtol=1e-4, atol=1e-5)
    units = reader.tokens(lm, texts).units
    torch.testing.assert_close(units.norm(dim=-1), torch.ones(len(units)))


def test_cosines_are_those_in_the_metric_of_unrelated_texts():
    metric = torch.tensor([[2.0, 0.6], [0.6, 1.0]])
    reader = SubjectReader(subject_site(tiny_language_model(), 2), torch.linalg.cholesky(metric))
    one, other = torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 3.0])
    expected = (one @ metric @ other) / ((one @ metric @ one) * (other @ metric @ other)).sqrt()
    torch.testing.assert_close(reader.units(one) @ reader.units(other), expected)


def test_subjects_are_read_in_front_of_the_edited_layer():
    lm = tiny_language_model()
    assert subject_site(lm, 3).layer == len(lm.model.model.layers) * 5 // 32
    assert subject_site(lm, 0) is None
    with pytest.raises(ConfigError, match="not layer 0"):
        edited("wise-retrieve", 1, layer=0, convention="whitened", scope="subject", irrelevant=4)


def test_an_edit_s_own_prompt_has_the_largest_score_wherever_its_subject_ends():
    editor = made(count=1)
    inside = replace(STREAM[1], id="inside", subject="cit")  # ends within a token of the prompt
    editor.edit(inside)
    assert asked(editor, [inside.prompt]).score.item() == pytest.approx(1.0, abs=1e-5)


def test_a_subject_is_known_at_the_start_of_a_text_too():
    editor = made(count=1)
    scope = editor.bank.served()[0].scope
    units = editor.tools.reader.tokens(editor.lm, [f"{STREAM[0].subject} works"]).units
    assert scope.cosines(units).max().item() == pytest.approx(1.0, abs=1e-5)


def test_scopes_are_told_by_activation_where_no_training_record_has_another_wording():
    same_words = made(count=1, scope="measured")
    assert same_words.measured()["recognised_by_subject"] == 0.0
    assert same_words.bank.served()[0].scope is None and same_words.tail.early is None
    reworded = [replace(r, probes=(Probe("paraphrase", f"{r.subject} is", "x"),)) for r in STREAM]
    assert len(_pairs(reworded)) == len(STREAM) and not _pairs(STREAM)


@pytest.mark.parametrize(("by_subject", "by_last", "chosen"), [(0.9, 0.2, True), (0.7, 0.8, False), (0.4, 0.1, False)])
def test_the_token_that_recognises_more_prompts_scores_them_if_it_recognises_half(
    monkeypatch, by_subject, by_last, chosen
):
    monkeypatch.setattr(subject_pairs, "shares_recognised", lambda *_: (by_subject, by_last))
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
    new = (".subjects", ".factor", ".tokens", ".prompts")
    old = {name: tensor for name, tensor in editor.memory().items() if not name.endswith(new)}
    editor.restore(STREAM[:4], old)
    served = editor.bank.served()
    assert [memory.scope for memory in served] == [None] * 4
    query = pooled_prompts(editor, [STREAM[0].prompt], "last")
    torch.testing.assert_close(asked(editor, [STREAM[0].prompt]).score, editor.tools.scores(query, served[0].delta))


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_the_running_model_decides_as_an_evaluation_does(family):
    editor = made(family=family)
    for record in STREAM[:2]:
        ids = editor.lm.tokenizer([record.prompt], return_tensors="pt")
        with torch.inference_mode():
            editor.lm.model(**ids)
        found, expected = editor._routing, asked(editor, [record.prompt])
        torch.testing.assert_close(found.score, expected.score, rtol=1e-4, atol=1e-5)
        assert found.choice.tolist() == expected.choice.tolist()
