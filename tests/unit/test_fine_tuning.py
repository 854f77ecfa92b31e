"""Editors by gradient steps on one matrix: FT-L, FT-M, FT-EWC, LocFT-BF."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.closeness import TRAINED, assert_states_alike
from tests.models import tiny_language_model
from tests.tiny_edits import STREAM, edited, ready
from wise.editors.ft_ewc import fisher
from wise.editors.registry import make_editor
from wise.editors.shared.descent import Descent, Preservation
from wise.editors.shared.loss import edit_loss
from wise.errors import ConfigError, DataError, EditError
from wise.lm.architectures import find_site
from wise.lm.batch import encode, encode_prompts
from wise.tail.tail import Tail

SHORT = {"context_prefixes": 0, "steps": 20}
"""Enough for one prompt of a tiny model."""


def examples(tail, count=3):
    return tail.frozen(encode(tail.lm, [r.prompt for r in STREAM[:count]], [r.target for r in STREAM[:count]]))


def own_tail(family="llama"):
    lm = tiny_language_model(family)
    return Tail(lm, find_site(lm.model, 2))


# One descent


def test_a_descent_stays_in_its_box_and_leaves_its_start_alone():
    start = torch.zeros(2, 3)
    descent = Descent(start, None, lr=0.1, box=0.15)
    for _ in range(5):
        descent.step(-descent.output(torch.ones(1, 1, 3)).sum())
    torch.testing.assert_close(descent.result(), torch.full((2, 3), 0.15))
    assert not start.any()


def test_a_descent_makes_the_steps_of_adam():
    """Two steps of lr * m^ / sqrt(v^) by hand, on the loss 3 w: the gradient never changes, so each is one lr."""
    descent = Descent(torch.zeros(1, 1), None, lr=0.25)
    for expected in (-0.25, -0.5):
        descent.step(descent.output(torch.full((1, 1, 1), 3.0)).sum())
        assert descent.result().item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_steps_that_the_number_format_cannot_hold_one_by_one_add_up(dtype):
    """Each step is an eighth of the distance between two numbers at 1, so that it would be rounded away."""
    step = torch.finfo(dtype).eps / 8
    descent = Descent(torch.ones(1, 1, dtype=dtype), None, lr=step)
    for _ in range(16):
        descent.step(-descent.output(torch.full((1, 1, 1), 3.0, dtype=dtype)).sum())
    assert descent.result().dtype == dtype and descent.result().item() == 1 + 16 * step
    again = Descent(torch.ones(1, 1, dtype=dtype), None, lr=step)
    again.load_state(descent.state())
    assert torch.equal(again.weight, descent.weight), "what is between two numbers of the format is kept as well"


def test_a_descent_adds_the_bias_of_the_site():
    descent = Descent(torch.eye(2), torch.tensor([1.0, -1.0]), lr=0.1)
    assert descent.output(torch.tensor([[[2.0, 3.0]]])).tolist() == [[[3.0, 2.0]]]


# FT-L and FT-M


def test_ft_l_and_ft_m_differ_in_their_objective():
    assert ready("ft-m").config.objective == "target_new"
    assert make_editor("ft-l", tiny_language_model(), 2).config.objective == "prompt_last"


def test_ft_l_reads_all_target_tokens_from_the_distribution_behind_the_prompt():
    """Its loss against the plain forward pass of the prompt alone."""
    tail = own_tail()
    frozen = examples(tail)
    expected = []
    for record in STREAM:
        texts = record.prompt, record.target
        ids, target = (tail.lm.tokenizer(text, return_tensors="pt").input_ids for text in texts)
        last = tail.lm.model(ids).logits[0, -1].log_softmax(-1)
        expected.append(-last[target[0, 1:]].mean())  # without the first token of every text
    measured = edit_loss(tail, frozen, frozen.output, "prompt_last")
    torch.testing.assert_close(measured, torch.stack(expected).mean(), rtol=1e-4, atol=1e-5)


def test_ft_l_cannot_learn_two_different_tokens_from_one_distribution():
    """The mean NLL of two tokens from one softmax is at least ln 2."""
    options = {"steps": 30, "context_prefixes": 0, "lr": 0.02}
    masked = ready("ft-m", **options).edit(STREAM[0]).loss
    last = ready("ft-l", objective="prompt_last", **options).edit(STREAM[0]).loss
    assert last > math.log(2) and masked < last - 0.3


def test_kl_is_that_of_the_whole_model():
    """Against the plain forward pass of a model whose matrix is replaced."""
    tail = own_tail()
    frozen = tail.frozen(encode_prompts(tail.lm, [r.irrelevant for r in STREAM]))
    weight = tail.site.weight + 0.1 * torch.randn(tail.site.weight.shape, generator=torch.Generator().manual_seed(0))
    measured = Preservation(tail, frozen).divergence(torch.nn.functional.linear(frozen.inner, weight))
    batch, real = frozen.batch, frozen.batch.attention_mask.bool()
    before = tail.lm.model(batch.input_ids, attention_mask=batch.attention_mask).logits[real].log_softmax(-1)
    tail.site.module.weight = tail.site.parameter(weight)
    after = tail.lm.model(batch.input_ids, attention_mask=batch.attention_mask).logits[real].log_softmax(-1)
    expected = (before.exp() * (before - after)).sum(-1).mean()
    assert measured.item() > 1e-4
    torch.testing.assert_close(measured, expected, rtol=1e-4, atol=1e-6)


def test_kl_keeps_the_unrelated_text_nearer_to_the_unedited_model():
    drift = {}
    for kl in (0.0, 10.0):
        editor = edited("ft-l", count=1, kl=kl)
        text = editor.frozen(encode_prompts(editor.lm, [STREAM[0].irrelevant]))
        output = editor.output(text.inner, text.output, None, None)
        drift[kl] = Preservation(editor.tail, text).divergence(output).item()
    assert 0 < drift[10.0] < 0.5 * drift[0.0]


def test_kl_needs_an_unrelated_text():
    with pytest.raises(DataError, match="'edit-0' has no 'irrelevant' text, which option 'kl' of ft-l needs"):
        ready("ft-l", kl=1.0).edit(replace(STREAM[0], irrelevant=""))


def test_a_box_below_zero_is_refused():
    with pytest.raises(ConfigError, match="'box' must be at least 0"):
        ready("ft-m", box=-1.0)


# FT-EWC


def test_fisher_of_small_gradients_is_not_zero_in_float16():
    lm = tiny_language_model()
    lm.model.half()
    tail = Tail(lm, find_site(lm.model, 2))
    frozen = examples(tail)
    small = replace(frozen, inner=frozen.inner * 1e-3)
    measured = fisher(tail, small, tail.site.weight)
    assert measured.dtype == torch.float32 and (measured > 0).float().mean() > 0.9


@pytest.mark.parametrize("family", ["llama", "gptj"])
def test_fisher_is_the_mean_of_squared_gradients_of_single_examples(family):
    """Each example alone, its gradient by autograd through the matrix itself."""
    tail = own_tail(family)
    squares = []
    for record in STREAM:
        frozen = tail.frozen(encode(tail.lm, [record.prompt], [record.target]))
        weight = tail.site.weight.clone().requires_grad_(True)
        loss = edit_loss(tail, frozen, torch.nn.functional.linear(frozen.inner, weight, tail.site.bias))
        squares.append(torch.autograd.grad(loss, weight)[0].square())
    measured = fisher(tail, examples(tail), tail.site.weight)
    torch.testing.assert_close(measured, torch.stack(squares).mean(0), rtol=1e-4, atol=1e-9)


def test_fisher_does_not_depend_on_how_many_edits_there_are():
    """The released code divides by 10 always: one example twice must give what it gives once."""
    tail = own_tail()
    once, twice = ([STREAM[0]] * count for count in (1, 2))
    one, two = (
        fisher(tail, tail.frozen(encode(tail.lm, [r.prompt for r in rs], [r.target for r in rs])), tail.site.weight)
        for rs in (once, twice)
    )
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-9)


def test_the_fisher_is_measured_on_the_most_recent_edits_before_this_one():
    editor = ready("ft-ewc", memory=2, **SHORT)
    assert editor._importance(editor.site.weight) is None, "nothing to keep at the first edit"
    for item in STREAM:
        editor.edit(item)
    weight = editor._weight
    expected = fisher(editor.tail, editor._examples(STREAM[1:]), weight)
    torch.testing.assert_close(editor._importance(weight), expected / expected.mean())
    assert editor._importance(weight).mean().item() == pytest.approx(1.0, rel=1e-4)


def test_the_fisher_can_be_taken_as_it_is():
    editor = edited("ft-ewc", count=1, normalise=False, **SHORT)
    expected = fisher(editor.tail, editor._examples(STREAM[:1]), editor._weight)
    torch.testing.assert_close(editor._importance(editor._weight), expected)


def test_the_penalty_pulls_towards_the_weights_before_the_edit():
    first = edited("ft-ewc", count=1, **SHORT)._weight
    moved = {p: (edited("ft-ewc", count=2, penalty=p, **SHORT)._weight - first).norm().item() for p in (0.0, 1e3)}
    assert 0 < moved[1e3] < moved[0.0]


def test_ewc_ends_when_every_target_token_is_the_most_likely_before_a_step():
    editor = edited("ft-ewc", count=1)
    again = editor.edit(STREAM[0])
    assert again.iterations == 0


# LocFT-BF


def test_an_epoch_visits_every_edit_once_in_an_order_of_its_own():
    editor = ready("locft-bf", batch=3)
    epochs = [list(editor._batches(8, epoch)) for epoch in range(4)]
    assert all(sorted(sum(batches, [])) == list(range(8)) for batches in epochs)
    assert all([len(members) for members in batches] == [3, 3, 2] for batches in epochs)
    assert len({str(batches) for batches in epochs}) == 4
    assert epochs[0] == list(editor._batches(8, 0))


def test_one_batch_an_epoch_is_plain_full_batch_adam():
    editor = ready("locft-bf", context_prefixes=0, epochs=3, stop_loss=0.0)
    outcomes = editor.edit_all(STREAM)
    assert [outcome.iterations for outcome in outcomes] == [3, 3, 3]
    tail = own_tail()
    frozen = examples(tail)
    weight = tail.site.weight.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([weight], lr=editor.config.lr)
    for _ in range(3):
        optimizer.zero_grad()
        edit_loss(tail, frozen, torch.nn.functional.linear(frozen.inner, weight)).backward()
        optimizer.step()
    torch.testing.assert_close(editor._weight, weight.detach(), rtol=1e-3, atol=1e-4)


def test_edits_learned_together_do_not_depend_on_how_they_came():
    at_once, one_by_one, rest = (ready("locft-bf", context_prefixes=1, epochs=3) for _ in range(3))
    for item in STREAM:
        one_by_one.edit(item)
    rest.edit(STREAM[0])
    at_once.edit_all(STREAM)
    rest.edit_all(STREAM[1:])
    start = {"weight": own_tail().site.weight}
    for other in (one_by_one, rest):  # to rounding, since their texts were first met in other batches
        assert_states_alike(other.memory(), at_once.memory(), start, sums=3 * TRAINED)
    assert len(rest.edits) == 3


def test_a_mini_batch_that_is_learned_makes_no_more_steps():
    editor = ready("locft-bf", lr=0.02, epochs=30, stop_loss=1.5, context_prefixes=0)
    outcomes = editor.edit_all(STREAM)
    assert all(outcome.iterations < 30 and outcome.loss < 1.5 for outcome in outcomes)


def test_a_mini_batch_names_its_edits_when_its_loss_is_not_finite():
    editor = ready("locft-bf")
    editor.lm.model.get_output_embeddings().weight.fill_(float("nan"))
    with pytest.raises(EditError, match="mini-batch of edits 'edit-"):
        editor.edit_all(STREAM)
    assert editor._weight is None and not editor.edits
