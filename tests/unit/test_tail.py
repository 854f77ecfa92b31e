"""The tail: what runs from the edited matrix on equals the full forward pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.models import FAMILY_MODELS, tiny_language_model
from wise.errors import ConfigError
from wise.lm.batch import Encoded
from wise.lm.sites import FAMILIES, find_site
from wise.lm.tail import Tail

SEQUENCES = [Encoded((5, 6, 7, 8, 9), 3), Encoded((5, 9, 11, 12, 13, 14, 3, 2), 4), Encoded((8, 3, 2, 9, 1, 4), 5)]


def full_logits(lm, tail, prefix, weight):
    """Logits at the predicting tokens by a full forward pass with `weight` in place."""
    original = tail.site.module.weight
    tail.site.module.weight = nn.Parameter(weight)
    batch = prefix.batch
    try:
        logits = lm.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
    finally:
        tail.site.module.weight = original
    return logits[batch.predicting()]


def test_every_family_has_a_tiny_model():
    assert set(FAMILY_MODELS) == set(FAMILIES)


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("layer", [0, 2, 3])
def test_tail_equals_full_forward(family, layer):
    lm = tiny_language_model(family)
    tail = Tail(lm, find_site(lm.model, layer))
    prefix = tail.prefix(SEQUENCES)
    weight = tail.site.weight + 0.1 * torch.randn(tail.site.weight.shape, generator=torch.Generator().manual_seed(1))
    output = nn.functional.linear(prefix.inner, weight, tail.site.module.bias)
    with torch.no_grad():
        ours, full = tail.logits(prefix, output), full_logits(lm, tail, prefix, weight)
        unedited = full_logits(lm, tail, prefix, tail.site.weight.clone())
    assert (full - unedited).abs().max() > 1e-3, "the edit must matter, or the comparison shows nothing"
    torch.testing.assert_close(ours, full, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("family", ["llama", "gptj"])
def test_gradients_equal_the_full_forward_pass(family):
    lm = tiny_language_model(family)
    tail = Tail(lm, find_site(lm.model, 2))
    prefix = tail.prefix(SEQUENCES)
    ours = tail.site.weight.detach().clone().requires_grad_(True)
    loss = tail.logits(prefix, nn.functional.linear(prefix.inner, ours, tail.site.module.bias)).square().sum()
    (gradient,) = torch.autograd.grad(loss, ours)
    parameter = tail.site.module.weight
    parameter.requires_grad_(True)
    batch = prefix.batch
    logits = lm.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
    (expected,) = torch.autograd.grad(logits[batch.predicting()].square().sum(), parameter)
    torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-5)


def test_model_is_whole_again_after_the_tail_even_after_an_error():
    lm = tiny_language_model("llama")
    tail = Tail(lm, find_site(lm.model, 2))
    blocks = list(tail.site.blocks)
    prefix = tail.prefix(SEQUENCES)
    with pytest.raises(RuntimeError):
        tail.hidden(prefix, torch.zeros(1, 1, 7))
    tail.hidden(prefix, prefix.output)
    assert all(a is b for a, b in zip(blocks, tail.site.blocks, strict=True))
    assert not tail.site.module._forward_hooks and not tail.site.block._forward_hooks


def test_states_are_computed_once_and_do_not_depend_on_the_batch():
    lm = tiny_language_model("llama")
    tail = Tail(lm, find_site(lm.model, 2))
    together = tail.prefix(SEQUENCES)
    calls = []
    hook = lm.model.base_model.register_forward_pre_hook(lambda *_: calls.append(1))
    again = tail.prefix(SEQUENCES[1:2])
    hook.remove()
    assert not calls
    torch.testing.assert_close(again.inner[0], together.inner[1], rtol=0, atol=0)
    alone = Tail(lm, tail.site, cache_bytes=0).prefix(SEQUENCES[:1])
    torch.testing.assert_close(alone.hidden[0], together.hidden[0, :5], atol=1e-6, rtol=1e-6)


def test_unknown_layer_and_family_say_what_there_is():
    lm = tiny_language_model("llama")
    with pytest.raises(ConfigError, match="layers 0 to 3"):
        find_site(lm.model, 4)
    lm.model.config.model_type = "lama"
    with pytest.raises(ConfigError, match="Did you mean 'llama'"):
        find_site(lm.model, 1)
