"""The tail: what runs from the edited matrix on equals the full forward pass, in every family."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.closeness import TRAINED, tolerance
from tests.models import FAMILY_MODELS, tiny_language_model
from wise.editors.shared.loss import edit_loss
from wise.errors import ConfigError
from wise.lm.answer import answer_pairs
from wise.lm.architectures import default_layer, find_site
from wise.lm.batch import Batch, Encoded, collate
from wise.lm.families import FAMILIES
from wise.tail import trim
from wise.tail.tail import Tail

SEQUENCES = [Encoded((5, 6, 7, 8, 9), 3), Encoded((5, 9, 11, 12, 13, 14, 3, 2), 4), Encoded((8, 3, 2, 9, 1, 4), 5)]
EXACT = tolerance()
families = pytest.mark.parametrize("family", sorted(FAMILIES))


def prefix_of(tail: Tail, padding: str = "right"):
    return tail.frozen(SEQUENCES) if padding == "right" else tail.read(collate(SEQUENCES, 0, side="left"))


def changed_weight(site) -> Tensor:
    noise = torch.randn(site.weight.shape, generator=torch.Generator().manual_seed(1))
    return (site.weight + 0.1 * noise.to(site.weight)).detach()


def edited_output(frozen, site, weight: Tensor) -> Tensor:
    return nn.functional.linear(frozen.inner, weight, site.bias)


def full_logits(lm, site, batch: Batch, weight: Tensor) -> Tensor:
    """Logits at the predicting tokens by a full forward pass with `weight` (d, f) in place."""
    original = site.module.weight
    site.module.weight = site.parameter(weight)
    try:
        logits = lm.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
    finally:
        site.module.weight = original
    return logits[batch.predicting()]


def test_every_family_has_a_tiny_model():
    assert set(FAMILY_MODELS) == set(FAMILIES)


@families
@pytest.mark.parametrize("padding", ["right", "left"])
@pytest.mark.parametrize("layer", [0, 2, 3])
def test_tail_equals_full_forward(family, layer, padding):
    lm = tiny_language_model(family)
    tail = Tail(lm, find_site(lm.model, layer))
    frozen = prefix_of(tail, padding)
    weight = changed_weight(tail.site)
    with torch.no_grad():
        ours = tail.logits(frozen, edited_output(frozen, tail.site, weight))
        full = full_logits(lm, tail.site, frozen.batch, weight)
        unedited = full_logits(lm, tail.site, frozen.batch, tail.site.weight.clone())
    assert (full - unedited).abs().max() > 1e-3, "the edit must matter, or the comparison shows nothing"
    torch.testing.assert_close(ours, full, **EXACT)


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("llama", {"attention": "eager"}),
        ("gpt2", {"attention": "eager"}),
        ("mistral", {"sliding_window": 4}),
        ("mistral", {"sliding_window": 4, "attention": "eager"}),
        ("gpt_neox", {"use_parallel_residual": False}),
        ("opt", {"word_embed_proj_dim": 16}),
        ("opt", {"_remove_final_layer_norm": True}),
    ],
)
@pytest.mark.parametrize("padding", ["right", "left"])
@pytest.mark.parametrize("layer", [2, 3])
def test_tail_equals_full_forward_in_variants(family, options, padding, layer):
    lm = tiny_language_model(family, **options)
    tail = Tail(lm, find_site(lm.model, layer))
    frozen = prefix_of(tail, padding)
    weight = changed_weight(tail.site)
    with torch.no_grad():
        ours = tail.logits(frozen, edited_output(frozen, tail.site, weight))
        torch.testing.assert_close(ours, full_logits(lm, tail.site, frozen.batch, weight), **EXACT)


@families
@pytest.mark.parametrize("layer", [2, 3])
def test_gradients_equal_the_full_forward_pass(family, layer):
    lm = tiny_language_model(family)
    tail = Tail(lm, find_site(lm.model, layer))
    frozen = tail.frozen(SEQUENCES)
    ours = tail.site.weight.detach().clone().requires_grad_(True)
    loss = tail.logits(frozen, edited_output(frozen, tail.site, ours)).square().sum()
    (gradient,) = torch.autograd.grad(loss, ours)
    parameter = tail.site.module.weight.requires_grad_(True)
    batch = frozen.batch
    logits = lm.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
    (expected,) = torch.autograd.grad(logits[batch.predicting()].square().sum(), parameter)
    bound = tolerance(TRAINED, size=expected.abs().max().item())
    torch.testing.assert_close(tail.site.parameter(gradient).detach(), expected, **bound)


@families
@pytest.mark.parametrize("layer", [1, 3])
def test_trimmed_equals_untrimmed(family, layer):
    lm = tiny_language_model(family)
    tail = Tail(lm, find_site(lm.model, layer))
    frozen = tail.frozen(SEQUENCES)
    positions = torch.tensor([[0, 3], [7, 2], [4, 4]])
    with torch.no_grad():
        output = edited_output(frozen, tail.site, changed_weight(tail.site))
        whole = tail.hidden(frozen, output)
        torch.testing.assert_close(tail.at(frozen, output, positions), trim.take(whole, positions), **EXACT)


@pytest.mark.parametrize("family", sorted(family for family in FAMILIES if FAMILIES[family].trims))
def test_last_layer_runs_its_ffn_only_where_it_is_read(family):
    lm = tiny_language_model(family)
    tail = Tail(lm, find_site(lm.model, 1))
    frozen = tail.frozen(SEQUENCES)
    seen = []
    last = find_site(lm.model, 3).module
    hook = last.register_forward_hook(lambda _module, args, _output: seen.append(args[0].shape[:-1].numel()))
    tail.logits(frozen, frozen.output)
    hook.remove()
    assert seen == [frozen.targets.positions.numel()] and seen[0] < frozen.batch.input_ids.numel()


def test_without_padding_the_causal_mask_is_built_for_the_rows_that_are_read():
    """An SDPA model leaves the mask of such a batch to the kernel, which knows no chosen rows."""
    lm = tiny_language_model("llama")
    tail = Tail(lm, find_site(lm.model, 2))
    frozen = tail.frozen([SEQUENCES[1]])
    weight = changed_weight(tail.site)
    with torch.no_grad():
        ours = tail.logits(frozen, edited_output(frozen, tail.site, weight))
        torch.testing.assert_close(ours, full_logits(lm, tail.site, frozen.batch, weight), **EXACT)


def test_attention_that_cannot_be_trimmed_runs_the_last_layer_whole(monkeypatch):
    lm = tiny_language_model("llama")
    tail = Tail(lm, find_site(lm.model, 2))
    frozen = tail.frozen(SEQUENCES)
    with torch.no_grad():
        trimmed = tail.logits(frozen, frozen.output)
        monkeypatch.setattr(trim, "MASKED_ATTENTION", ())
        torch.testing.assert_close(tail.logits(frozen, frozen.output), trimmed, **EXACT)


def test_asked_in_inference_mode_first_trained_on_later():
    lm = tiny_language_model("llama")
    tail = Tail(lm, find_site(lm.model, 2))
    with torch.inference_mode():
        frozen = tail.frozen(SEQUENCES)
        tail.logits(frozen, frozen.output)
    weight = tail.site.weight.detach().clone().requires_grad_(True)
    edit_loss(tail, frozen, edited_output(frozen, tail.site, weight)).backward()
    assert weight.grad.abs().max() > 0


def test_an_iteration_runs_none_of_the_models_outer_code():
    lm = tiny_language_model("llama")
    tail = Tail(lm, find_site(lm.model, 2))
    frozen = tail.frozen(SEQUENCES)
    tail.logits(frozen, frozen.output)
    ran = []
    for module in (lm.model.get_input_embeddings(), lm.model.base_model, *tail.site.blocks[:3]):
        module.register_forward_pre_hook(lambda module, _args: ran.append(type(module).__name__))
    tail.logits(frozen, frozen.output)
    assert not ran
    calls = tail._calls
    del frozen
    gc.collect()
    assert not len(calls), "what was recorded for a batch goes with it"


class Operations(TorchDispatchMode):
    """Notes the names of all operations that run inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.names.add(operation.overloadpacket.__name__)
        return operation(*args, **kwargs or {})


@families
def test_an_iteration_reads_no_value_that_a_gpus_host_would_wait_for(family):
    lm = tiny_language_model(family)
    tail = Tail(lm, find_site(lm.model, 1))
    frozen = tail.frozen(SEQUENCES)
    weight = tail.site.weight.detach().clone().requires_grad_(True)
    edit_loss(tail, frozen, edited_output(frozen, tail.site, weight))
    with Operations() as operations:
        edit_loss(tail, frozen, edited_output(frozen, tail.site, weight)).backward()
    assert {"exp_", "mm"} <= operations.names
    assert not operations.names & {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero"}


def test_model_is_whole_again_after_the_tail_even_after_an_error():
    lm = tiny_language_model("llama")
    tail = Tail(lm, find_site(lm.model, 2))
    blocks, owned = list(tail.site.blocks), [set(vars(m)) for m in lm.model.modules()]
    frozen = tail.frozen(SEQUENCES)
    with pytest.raises(RuntimeError):
        tail.hidden(frozen, torch.zeros(1, 1, 7))
    with pytest.raises(IndexError):
        tail.at(frozen, frozen.output, torch.tensor([[99], [0], [0]]))
    lm.model.base_model.rotary_emb.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tail.logits(tail.frozen(SEQUENCES), frozen.output)
    assert all(a is b for a, b in zip(blocks, tail.site.blocks, strict=True))
    assert not tail.site.module._forward_hooks and not tail.site.block._forward_hooks
    assert owned == [set(vars(m)) for m in lm.model.modules()]


def test_states_are_computed_once_and_do_not_depend_on_the_batch():
    lm = tiny_language_model("llama")
    tail = Tail(lm, find_site(lm.model, 2))
    together = tail.frozen(SEQUENCES)
    calls = []
    hook = lm.model.base_model.register_forward_pre_hook(lambda *_: calls.append(1))
    again = tail.frozen(SEQUENCES[1:2])
    hook.remove()
    assert not calls
    torch.testing.assert_close(again.inner[0], together.inner[1], rtol=0, atol=0)
    alone = Tail(lm, tail.site, cache_bytes=0).frozen(SEQUENCES[:1])
    torch.testing.assert_close(alone.hidden[0], together.hidden[0, :5], **EXACT)
    tail.keep_nothing()
    torch.testing.assert_close(tail.frozen(SEQUENCES[:1]).hidden, alone.hidden, rtol=0, atol=0)
    assert tail.groups()["tokens"].numel() == tail.groups()["bytes"] == 0


@pytest.mark.parametrize("divisor_extra", [0, 1])
@pytest.mark.parametrize("objective", ["target_new", "prompt_last"])
def test_edit_loss_is_the_mean_over_rows_of_each_rows_mean(objective, divisor_extra):
    lm = tiny_language_model("llama")
    tail = Tail(lm, find_site(lm.model, 2))
    frozen = tail.frozen(SEQUENCES)
    expected = 0.0
    for sequence in SEQUENCES:
        logp = lm.model(input_ids=torch.tensor([sequence.ids])).logits[0].log_softmax(-1)
        first, size = sequence.start - 1, len(sequence.target)
        at = range(first, first + size) if objective == "target_new" else [first] * size
        nll = -sum(logp[i, token] for i, token in zip(at, sequence.target, strict=True))
        expected += nll / (size + divisor_extra) / len(SEQUENCES)
    loss = edit_loss(tail, frozen, frozen.output, objective, divisor_extra)
    torch.testing.assert_close(loss, expected.detach(), **EXACT)


@families
def test_half_precision_model_learns_through_a_float32_matrix(family):
    lm = tiny_language_model(family)
    lm.model.to(torch.bfloat16)
    tail = Tail(lm, find_site(lm.model, 1))
    frozen = tail.frozen(SEQUENCES)
    weight = tail.site.weight.detach().float().requires_grad_(True)
    output = nn.functional.linear(frozen.inner.float(), weight)
    assert frozen.inner.dtype == tail.hidden(frozen, output).dtype == torch.bfloat16
    loss = edit_loss(tail, frozen, output)
    loss.backward()
    assert loss.dtype == weight.grad.dtype == torch.float32 and weight.grad.isfinite().all()


def test_double_precision_stays_double():
    lm = tiny_language_model("gpt2")
    lm.model.double()
    tail = Tail(lm, find_site(lm.model, 1))
    frozen = tail.frozen(SEQUENCES)
    weight = changed_weight(tail.site)
    output = edited_output(frozen, tail.site, weight)
    assert edit_loss(tail, frozen, output).dtype == torch.float64
    full = full_logits(lm, tail.site, frozen.batch, weight)
    torch.testing.assert_close(tail.logits(frozen, output), full, atol=1e-13, rtol=1e-13)


@families
def test_a_matrix_of_shape_d_f_goes_into_the_module_and_comes_back(family):
    lm = tiny_language_model(family)
    site = find_site(lm.model, 1)
    d, f = site.weight.shape
    assert f > d
    weight = changed_weight(site)
    parameter = site.parameter(weight)
    assert parameter.shape == site.module.weight.shape and not parameter.requires_grad
    x = torch.randn(2, 3, f, generator=torch.Generator().manual_seed(0))
    site.module.weight = parameter
    torch.testing.assert_close(site.weight, weight, rtol=0, atol=0)
    torch.testing.assert_close(site.module(x), nn.functional.linear(x, weight, site.bias))


@families
def test_teacher_forced_logits_are_those_of_the_model(family):
    lm = tiny_language_model(family)
    ids = collate(SEQUENCES, 0).input_ids
    with torch.no_grad():
        hidden = lm.model.base_model(input_ids=ids).last_hidden_state
        torch.testing.assert_close(lm.logits(hidden), lm.model(input_ids=ids).logits, **EXACT)
    answer = answer_pairs(lm, ["Ada was born in"], ["Port Hill"])[0]
    assert len(answer.nll) == 2


def test_default_layer_is_at_the_published_depth():
    assert default_layer(tiny_language_model("llama", num_hidden_layers=32, hidden_size=8).model) == 27
    assert default_layer(tiny_language_model("gptj", n_layer=28, n_embd=16).model) == 21
    assert default_layer(tiny_language_model("gpt2").model) == 3


def test_unknown_layer_and_family_say_what_there_is():
    lm = tiny_language_model("llama")
    with pytest.raises(ConfigError, match="layers 0 to 3"):
        find_site(lm.model, 4)
    lm.model.config.model_type = "lama"
    with pytest.raises(ConfigError, match="Did you mean 'llama'.*To add one.*FAMILIES\\['lama'\\] = Family"):
        find_site(lm.model, 1)


def test_a_norm_behind_the_residual_sum_is_refused():
    lm = tiny_language_model("opt", do_layer_norm_before=False)
    with pytest.raises(ConfigError, match="do_layer_norm_before=False"):
        find_site(lm.model, 1)
