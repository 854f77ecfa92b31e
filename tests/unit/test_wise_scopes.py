"""Scopes that are told by signs: how these are read, thresholds, and which of several memories answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.models import VARIED, tiny_language_model
from tests.side_memories import STREAM, edited
from wise.editors.base import EditOutcome
from wise.editors.decision import Reading
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise import chosen_reader, cosine_scope
from wise.editors.wise.chosen_reader import _pairs
from wise.editors.wise.cosine_scope import (
    HIGHEST,
    LOWEST,
    CosineScope,
    JoinedScopes,
    PromptTokens,
    recognised,
    threshold,
    units,
)
from wise.editors.wise.prompt_reader import PromptReader
from wise.editors.wise.subject_reader import SubjectReader, hidden_states, subject_site
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


def test_texts_are_scored_by_the_nearest_token_of_their_span(monkeypatch):
    scopes = [CosineScope(torch.tensor([[0.0, 1.0], [1.0, 0.0]])), CosineScope(torch.tensor([[0.0, -1.0]]))]
    seen = torch.tensor([[[0.6, 0.8], [1.0, 0.0]], [[0.0, -1.0], [0.8, 0.6]]])  # (2, 2, d)
    span = torch.tensor([[True, False], [True, True]])
    expected = torch.tensor([[0.8, -0.8], [0.8, 1.0]])
    torch.testing.assert_close(JoinedScopes.of(scopes).scores(seen, span), expected)
    monkeypatch.setattr(cosine_scope, "AT_ONCE", 1)
    torch.testing.assert_close(JoinedScopes.of(scopes).scores(seen, span), expected)


@pytest.mark.parametrize(("score", "expected"), [(0.8, 0.8), (0.95, HIGHEST), (0.1, LOWEST)])
def test_the_threshold_bounds_what_unrelated_prompts_reach_in_any_memory(score, expected):
    scopes = [CosineScope(torch.tensor([[1.0, 0.0]])), CosineScope(torch.tensor([[0.0, 1.0]]))]
    unrelated = PromptTokens(torch.tensor([[0.0, score]] * 3), torch.arange(3))
    cosines = [scope.cosines(unrelated.units) for scope in scopes]
    assert threshold(cosines, unrelated).item() == pytest.approx(expected)


def test_a_subject_is_recognised_where_its_own_prompt_is_the_nearest():
    subjects = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    apart = PromptTokens(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([0, 1]))
    swapped = PromptTokens(apart.units.flip(0), apart.prompt)
    assert recognised(subjects, apart) == 1.0
    assert recognised(subjects, swapped) == 0.0


@pytest.mark.parametrize("family", VARIED)
def test_subjects_are_the_states_behind_an_early_layer_of_every_family(family):
    editor, texts = made(count=0, family=family), [record.prompt for record in STREAM]
    lm, site = editor.lm, editor.tools.reader.site
    batch = lm.tokenizer(texts[:1], return_tensors="pt")
    with torch.no_grad():
        states = lm.model(**batch, output_hidden_states=True, use_cache=False).hidden_states[site.layer + 1]
    torch.testing.assert_close(hidden_states(lm, site, texts)[0], states[0], rtol=1e-4, atol=1e-5)
    seen = editor.tools.reader.tokens(editor, texts).units
    torch.testing.assert_close(seen.norm(dim=-1), torch.ones(len(seen)))


@pytest.mark.parametrize("family", VARIED)
def test_last_tokens_are_what_the_edited_matrix_writes_of_every_family(family):
    editor, texts = made(scope="prompt", count=1, family=family), [record.prompt for record in STREAM]
    written = []
    with editor.unedited(), torch.no_grad():
        hook = editor.site.module.register_forward_hook(lambda _module, _args, output: written.append(output))
        editor.lm.model(**editor.lm.tokenizer(texts[:1], return_tensors="pt"))
        hook.remove()
    last = written[0].view(-1, written[0].shape[-1])[-1]
    tokens = editor.tools.reader.tokens(editor, texts)
    torch.testing.assert_close(tokens.units[0], units(last, editor.tools.reader.factor), rtol=1e-4, atol=1e-5)
    assert tokens.prompt.tolist() == list(range(len(texts)))
    assert not editor.needs_subject and editor.tail.early is None


def test_cosines_are_those_in_the_metric_of_unrelated_texts():
    metric = torch.tensor([[2.0, 0.6], [0.6, 1.0]])
    factor = torch.linalg.cholesky(metric)
    one, other = torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 3.0])
    expected = (one @ metric @ other) / ((one @ metric @ one) * (other @ metric @ other)).sqrt()
    torch.testing.assert_close(units(one, factor) @ units(other, factor), expected)


def test_what_unrelated_prompts_share_counts_for_little():
    editor = made(count=0, scope="prompt")
    shared = torch.nn.functional.normalize(torch.ones(editor.site.weight.shape[1]), dim=0)
    queries = 10 * shared + 0.1 * torch.randn(64, len(shared), generator=torch.Generator().manual_seed(0))
    reader = PromptReader.measured(editor, queries)
    outputs = queries[:2] @ editor.site.weight.T
    plain = torch.nn.functional.normalize(outputs, dim=-1)
    assert plain[0] @ plain[1] > 0.99
    assert abs(units(outputs, reader.factor)[0] @ units(outputs, reader.factor)[1]) < 0.9


def test_subjects_are_read_in_front_of_the_edited_layer():
    lm = tiny_language_model()
    assert subject_site(lm, 3).layer == len(lm.model.model.layers) * 5 // 32
    assert subject_site(lm, 0) is None
    with pytest.raises(ConfigError, match="not layer 0"):
        edited("wise-retrieve", 1, layer=0, convention="whitened", scope="subject", irrelevant=4)


@pytest.mark.parametrize("scope", ["subject", "prompt"])
def test_scopes_that_are_told_by_signs_need_whitened_updates(scope):
    with pytest.raises(ConfigError, match=f"scope '{scope}' needs whitened updates"):
        edited("wise-retrieve", 0, convention="refined", scope=scope)


def test_an_edit_s_own_prompt_has_the_largest_score_wherever_its_subject_ends():
    editor = made(count=1)
    inside = replace(STREAM[1], id="inside", subject="cit")  # ends within a token of the prompt
    editor.edit(inside)
    assert asked(editor, [inside.prompt]).score.item() == pytest.approx(1.0, abs=1e-5)


def test_a_subject_is_known_at_the_start_of_a_text_too():
    editor = made(count=1)
    scope = editor.bank.served()[0].scope
    seen = editor.tools.reader.tokens(editor, [f"{STREAM[0].subject} works"]).units
    assert scope.cosines(seen).max().item() == pytest.approx(1.0, abs=1e-5)


def test_scopes_are_told_by_activation_where_no_training_record_has_another_wording():
    same_words = made(count=1, scope="measured")
    assert same_words.measured()["recognised_by_subject"] == 0.0
    assert same_words.bank.served()[0].scope is None and same_words.tail.early is None
    reworded = [replace(r, probes=(Probe("paraphrase", f"{r.subject} is", "x"),)) for r in STREAM]
    assert len(_pairs(reworded)) == len(STREAM) and not _pairs(STREAM)


def test_free_text_on_the_edit_is_another_wording_where_there_is_no_paraphrase():
    edit = replace(STREAM[0], prompt=STREAM[0].subject)
    same, behind = edit.prompt, f"A text. {edit.prompt}"
    entry, paraphrase = f"{edit.prompt}, in the register: owner", f"{edit.prompt} is"
    free = [Probe("ood", prompt, "x") for prompt in (same, behind, entry)]
    assert not _pairs([replace(edit, probes=free[:2])])
    assert _pairs([replace(edit, probes=free)]) == [(edit.prompt, edit.subject, entry)]
    both = [*free, Probe("paraphrase", behind, "x"), Probe("paraphrase", paraphrase, "x")]
    assert _pairs([replace(edit, probes=both)]) == [(edit.prompt, edit.subject, paraphrase)]


@pytest.mark.parametrize(
    ("by_subject", "by_last", "chosen"),
    [(0.9, 0.2, SubjectReader), (0.8, 0.8, SubjectReader), (0.7, 0.8, PromptReader), (0.4, 0.1, type(None))],
)
def test_the_token_that_recognises_more_prompts_scores_them_if_it_recognises_half(
    monkeypatch, tmp_path, by_subject, by_last, chosen
):
    monkeypatch.setattr(chosen_reader, "shares_recognised", lambda *_: (by_subject, by_last))
    editor = made(count=1, scope="measured")
    assert type(editor.tools.reader) is chosen
    assert editor.needs_subject == (chosen is SubjectReader)
    assert editor.measured()["recognised_by_last_token"] == by_last
    save(editor, tmp_path / "memory.safetensors")
    fresh = made(count=0, scope="activation")
    fresh.config = editor.config
    load_into(fresh, tmp_path / "memory.safetensors")
    assert type(fresh.tools.reader) is chosen, "a saved memory knows what its edits are told by"


def test_last_tokens_tell_scopes_in_the_first_layer_too(monkeypatch):
    monkeypatch.setattr(chosen_reader, "FEWEST", len(STREAM))
    prompts = [replace(r, prompt=f"{r.prompt} {r.subject}") for r in STREAM]  # that end in words of their own
    monkeypatch.setattr(chosen_reader, "_pairs", lambda _: [(r.prompt, r.subject, r.prompt) for r in prompts])
    editor = edited("wise-retrieve", 1, layer=0, convention="whitened", irrelevant=4)
    assert editor.measured()["recognised_by_subject"] == 0.0
    assert isinstance(editor.tools.reader, PromptReader)


@pytest.mark.parametrize("scope", ["subject", "prompt"])
@pytest.mark.parametrize("name", ["wise-retrieve", "wise-merge"])
def test_prompts_of_edits_are_answered_by_the_memory_that_holds_them(name, scope):
    editor = made(name, scope=scope)
    choice = asked(editor, [record.prompt for record in STREAM[:4]]).choice.tolist()
    assert choice == ([1, 2, 3, 4] if name == "wise-retrieve" else [1] * 4)


@pytest.mark.parametrize("scope", ["subject", "prompt"])
def test_of_two_edits_of_one_subject_the_one_of_this_relation_answers(scope):
    editor = made(count=1, scope=scope)
    other = replace(STREAM[0], id="other", prompt="Ada lives in the city of", target="West East")
    assert isinstance(editor.edit(other), EditOutcome)
    assert asked(editor, [STREAM[0].prompt, other.prompt]).choice.tolist() == [1, 2]


def test_another_wording_about_the_subject_is_nearer_than_one_about_another():
    near, far = asked(made(), ["the person Ada works in", "the person works for"]).score.tolist()
    assert near > far


@pytest.mark.parametrize("scope", ["subject", "prompt"])
def test_saved_scopes_load_onto_a_fresh_model(tmp_path, scope):
    editor = made(scope=scope)
    save(editor, tmp_path / "memory.safetensors")
    fresh = made(count=0, scope=scope)
    load_into(fresh, tmp_path / "memory.safetensors")
    prompts = [record.prompt for record in STREAM]
    one, other = asked(editor, prompts), asked(fresh, prompts)
    torch.testing.assert_close(one.score, other.score, rtol=0, atol=1e-6)  # sums round by where their terms lie
    assert torch.equal(one.choice, other.choice)


def test_memories_saved_without_scopes_are_chosen_by_activation():
    editor = made()
    new = (".signs", ".factor", ".tokens", ".prompts")
    old = {name: tensor for name, tensor in editor.memory().items() if not name.endswith(new)}
    editor.restore(STREAM[:4], old)
    served = editor.bank.served()
    assert [memory.scope for memory in served] == [None] * 4
    query = pooled_prompts(editor, [STREAM[0].prompt], "last")
    torch.testing.assert_close(asked(editor, [STREAM[0].prompt]).score, editor.tools.scores(query, served[0].delta))


@pytest.mark.parametrize("scope", ["subject", "prompt"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_the_running_model_decides_as_an_evaluation_does(family, scope):
    editor = made(family=family, scope=scope)
    for record in STREAM[:2]:
        ids = editor.lm.tokenizer([record.prompt], return_tensors="pt")
        with torch.inference_mode():
            editor.lm.model(**ids)
        found, expected = editor._routing, asked(editor, [record.prompt])
        torch.testing.assert_close(found.score, expected.score, rtol=1e-4, atol=1e-5)
        assert found.choice.tolist() == expected.choice.tolist()
