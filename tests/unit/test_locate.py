"""What ROME, MEMIT and AlphaEdit share: the edited token, the value v*, second moments, several matrices."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest
import torch

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, STREAM, edited, ready
from wise.editors.locate import moments
from wise.editors.locate.moments import second_moments, training_texts
from wise.editors.locate.request import Token, build_request, last_tokens
from wise.editors.locate.value import ValueConfig, find_value
from wise.editors.registry import make_editor
from wise.errors import ConfigError, DataError
from wise.lm.architectures import find_site
from wise.records import EditRecord
from wise.tail.tail import Tail

RECORD = EditRecord("one", "the person Ada was born in", "Port Hill", "Ada", "Bo works for")
PROMPTS = [RECORD.prompt, f"works for Ada {RECORD.prompt}"]


# The edited token


@pytest.mark.parametrize(("token", "expected"), [("subject_last", ["Ada"] * 3), ("prompt_last", ["in", "in", "a"])])
def test_the_edited_token_is_found_in_every_row(token, expected):
    lm = tiny_language_model()
    request = build_request(lm, RECORD, PROMPTS, token, neighbour=True)
    vocabulary = lm.tokenizer.get_vocab()
    found = [request.batch.input_ids[row, at].item() for row, at in enumerate(request.token.tolist())]
    assert found == [vocabulary[word] for word in expected]
    assert request.neighbour and request.prompts == 2
    if token == "subject_last":  # of the prompt's own subject, although a context names her too
        assert request.token.tolist() == [3, 6, 1]


def test_the_last_token_of_a_subject_of_several_words():
    lm = tiny_language_model()
    text = "the city of North East Port was born"
    assert last_tokens(lm, [text, text], [len("the city of North East"), len("the")]) == [5, 1]


def test_a_prompt_without_its_subject_is_refused():
    lm = tiny_language_model()
    other = EditRecord("two", "Bo was born in", "Port", "Ada")
    with pytest.raises(DataError, match="edit 'two'.*does not name the subject 'Ada'.*prompt_last"):
        build_request(lm, other, [other.prompt], "subject_last", neighbour=False)
    with pytest.raises(DataError, match="does not name the subject ''"):
        build_request(lm, EditRecord("three", "Bo was", "Port", ""), ["Bo was"], "subject_last", neighbour=True)
    assert build_request(lm, other, [other.prompt], "prompt_last", neighbour=True).neighbour


def test_an_unknown_token_is_named():
    with pytest.raises(ConfigError, match="Did you mean 'subject_last'"):
        ready("rome", token="subject_lst")


# The value


def full_loss(lm, request, layer, delta, kl, before=None):
    """NLL, divergence and neighbour distribution by a full forward pass that adds `delta` to the layer's FFN output."""
    rows = torch.arange(len(request.token))

    def add(_module, _args, output):
        output = output.clone()
        output[rows, request.token] += delta
        return output

    hook = find_site(lm.model, layer).module.register_forward_hook(add)
    batch = request.batch
    logits = lm.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
    hook.remove()
    scores = logits.log_softmax(-1)
    nll = 0.0
    for row in range(request.prompts):
        start, end = batch.start[row], batch.length[row]
        picked = scores[row, start - 1 : end - 1].gather(-1, batch.input_ids[row, start:end, None])
        nll = nll - picked.mean() / request.prompts
    after = scores[-1, request.token[-1]]
    before = after.detach() if before is None else before
    return nll + kl * (before.exp() * (before - after)).sum(), before


@pytest.mark.parametrize("token", get_args(Token))
@pytest.mark.parametrize("family", ["llama", "gptj", "gpt2"])
def test_the_value_follows_the_gradient_of_the_full_model(family, token):
    lm = tiny_language_model(family)
    request = build_request(lm, RECORD, PROMPTS, token, neighbour=True)
    tail = Tail(lm, find_site(lm.model, 2))
    frozen = tail.read(request.batch)
    start = frozen.output[0, request.token[0]]
    config = ValueConfig(token=token, steps=6, lr=0.05, kl=0.5, weight_decay=0.3, clamp=1e6)
    delta = torch.zeros_like(start, requires_grad=True)
    optimizer = torch.optim.Adam([delta], lr=0.05)
    before = None
    for _ in range(6):
        loss, before = full_loss(lm, request, 2, delta, 0.5, before)
        loss = loss + 0.3 * delta.norm() / start.norm() ** 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = find_value(tail, frozen, request, start, config)
    assert found.iterations == 6
    torch.testing.assert_close(found.vector - start, delta.detach(), atol=2e-4, rtol=2e-3)


def test_the_value_stays_within_its_clamp_and_stops_early():
    lm = tiny_language_model()
    request = build_request(lm, RECORD, PROMPTS, "prompt_last", neighbour=False)
    tail = Tail(lm, find_site(lm.model, 2))
    frozen = tail.read(request.batch)
    start = frozen.hidden[0, request.token[0]]
    held = find_value(tail, frozen, request, start, ValueConfig(lr=0.5, clamp=0.5))
    assert (held.vector - start).norm() == pytest.approx(0.5 * start.norm().item(), rel=1e-5)
    assert find_value(tail, frozen, request, start, ValueConfig(lr=0.5, stop_loss=100.0)).iterations == 0


@pytest.mark.parametrize("name", ["rome", "memit", "alphaedit"])
def test_norm_anchor_scales_every_value_to_the_mean_over_pilots_on_the_unedited_model(name):
    anchored, plain = ready(name, norm_anchor=True, pilots=2), ready(name)
    norms = []
    for number, record in enumerate(STREAM[:2]):
        request = plain.request(record, number)
        norms.append(plain.value(request, plain.read(request)).vector.norm().item())
    assert anchored.measured() == {"value_norm": pytest.approx(sum(norms) / 2, rel=1e-6)}
    for record in STREAM:
        anchored.edit(record)
        request = anchored.request(record)
        norm = anchored.value(request, anchored.read(request)).vector.norm()
        assert norm == pytest.approx(anchored.measured()["value_norm"], rel=1e-5)
    assert plain.measured() == {}
    with pytest.raises(ConfigError, match="norm_anchor needs training records"):
        plain._pilot_norm([])


# Second moments


def test_training_texts_are_all_texts_once():
    texts = training_texts([RECORD, STREAM[0], STREAM[0]])
    assert texts == sorted(set(texts)) and len(texts) == 5  # the paraphrase of one is the edit of the other
    assert {"the person Ada was born in Port Hill", "Bo works for", "Dee was born in South"} <= set(texts)


@pytest.mark.parametrize("family", ["llama", "opt"])
@pytest.mark.parametrize("budget", [1, 2**30])
def test_second_moments_are_those_of_every_token_alone(family, budget, monkeypatch):
    monkeypatch.setattr(moments, "SUMS_BYTES", budget)
    lm = tiny_language_model(family)
    sites = [find_site(lm.model, layer) for layer in range(4)]
    texts = training_texts([RECORD, *STREAM])
    found = second_moments(lm, sites, texts, batch_size=3)
    tail = Tail(lm, sites[2])
    inputs = []
    for text in texts:
        ids = torch.tensor([lm.tokenizer(text).input_ids])
        whole = SimpleNamespace(input_ids=ids, attention_mask=torch.ones_like(ids))
        inputs.append(tail._read(whole).inner[0].double())
    inputs = torch.cat(inputs)
    assert found["tokens"] == len(inputs) and len(found) == 5
    torch.testing.assert_close(found["moment.2"].double(), inputs.T @ inputs / len(inputs), atol=1e-6, rtol=1e-5)


def test_second_moments_name_what_is_missing():
    lm = tiny_language_model()
    with pytest.raises(DataError, match="no training texts"):
        second_moments(lm, [find_site(lm.model, 0)], [])
    with pytest.raises(DataError, match="does not fit the context of 64"):
        second_moments(lm, [find_site(lm.model, 0)], ["the " * 80])
    editor = make_editor("memit", lm, 2, {"layers": 1, "token": "prompt_last"}, CONTEXTS)
    with pytest.raises(ConfigError, match="memit needs second moments: call prepare"):
        editor.edit(STREAM[0])


def test_an_editor_keeps_the_moments_of_its_own_layers():
    assert sorted(ready("memit").prepared) == ["moment.1", "moment.2", "tokens"]
    assert not ready("rome").prepared
    assert sorted(ready("rome", covariance=True).prepared) == ["moment.2", "tokens"]


# Several matrices


def test_layers_end_at_the_editors_layer():
    editor = ready("memit", layers=3)
    assert [site.layer for site in editor.sites] == [0, 1, 2] and editor.site.layer == 0 and editor.layer == 2
    with pytest.raises(ConfigError, match="layers is 4: from 1 to 3 layers end at layer 2"):
        ready("memit", layers=4)


def test_a_norm_behind_the_matrix_allows_one_layer_only():
    with pytest.raises(ConfigError, match="a 'gemma2'.*choose layers 1"):
        ready("memit", "gemma2")
    editor = edited("memit", "gemma2", layers=1, count=1)
    request = editor.request(STREAM[0])
    assert editor.current(request, editor.read(request)).shape == (32,)


def test_a_trial_leaves_the_model_as_it_was():
    editor = edited("memit", count=1)
    before = [site.module.weight for site in editor.sites]
    with pytest.raises(ValueError, match="stop"), editor.trial():
        editor.sites[0].module.weight = editor.sites[0].parameter(torch.zeros_like(editor.sites[0].weight))
        raise ValueError("stop")
    assert all(site.module.weight is weight for site, weight in zip(editor.sites, before, strict=True))
