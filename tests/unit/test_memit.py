"""MEMIT's closed form against its normal equations, over layers and over edits."""

from __future__ import annotations

import pytest
import torch

from tests.tiny_edits import STREAM, edited, ready
from wise.editors.locate.solve import factor, memit_update

D, F, N = 4, 9, 3


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize("tokens", [50, 4])
@pytest.mark.parametrize("weight", [1e-3, 1.0, 15000.0])
def test_the_update_solves_its_normal_equations(tokens, weight):
    """Also with fewer tokens than features, whose second moment is singular."""
    inputs, keys, residuals = draw(tokens, F), draw(F, N), draw(D, N)
    moment = inputs.T @ inputs / tokens
    update = memit_update(keys, residuals, factor(moment, tokens), weight)
    moment = moment + moment.trace() / tokens * torch.eye(F, dtype=torch.float64)
    left = update @ (weight * moment + keys @ keys.T)
    torch.testing.assert_close(left, residuals @ keys.T, atol=1e-8, rtol=1e-8)


def test_a_rising_weight_preserves_training_texts_and_gives_up_the_edit():
    inputs, keys, residuals = draw(50, F), draw(F, N), draw(D, N)
    chol = factor(inputs.T @ inputs / 50, 50)
    moved, missed = [], []
    for weight in (1e-6, 1e-1, 1e4):
        update = memit_update(keys, residuals, chol, weight)
        moved.append((update @ inputs.T).norm().item())
        missed.append((update @ keys - residuals).norm().item())
    assert moved == sorted(moved, reverse=True) and missed == sorted(missed) and missed[0] < 1e-4


def test_the_layers_together_bring_the_stream_to_the_value():
    """With next to no weight on training texts the highest layer closes what the others have left."""
    editor = ready("memit", layers=3, mom2_weight=1e-9, context_prefixes=0)
    request = editor.request(STREAM[0])
    wanted = editor.value(request, editor.read(request)).vector
    first = [site.weight.detach().clone() for site in editor.sites]
    editor.edit(STREAM[0])
    assert all((site.weight - weight).norm() > 1e-3 for site, weight in zip(editor.sites, first, strict=True))
    torch.testing.assert_close(editor.current(request, editor.read(request)), wanted, atol=2e-3, rtol=2e-3)


def test_few_training_tokens_do_not_keep_an_edit_from_its_own_prompt():
    """The mean key over prefixed prompts has directions that no training text uses; the plain prompt has not."""
    editor = ready("memit", context_prefixes=3)
    assert editor.prepared["tokens"] < 2 * editor.site.weight.shape[1]
    request = editor.request(STREAM[0])
    before = editor.current(request, editor.read(request))
    wanted = editor.value(request, editor.read(request)).vector
    editor.edit(STREAM[0])
    assert (editor.current(request, editor.read(request)) - wanted).norm() < 0.05 * (wanted - before).norm()


def test_one_edit_at_once_is_memit():
    one, mass = edited("memit", count=1), edited("memit-mass", count=1)
    assert all(torch.equal(value, mass.memory()[name]) for name, value in one.memory().items())


def test_edits_at_once_do_not_depend_on_the_order_of_calls():
    together, apart = ready("memit-mass"), ready("memit-mass")
    outcomes = together.edit_all(STREAM)
    steps = [apart.edit(record) for record in STREAM]
    assert outcomes == steps
    assert all(torch.equal(value, apart.memory()[name]) for name, value in together.memory().items())


def test_edits_at_once_are_solved_on_the_unedited_model():
    """Keys and values of the second edit are those that it has alone; MEMIT takes those of the model edited before."""
    mass, one = edited("memit-mass", count=2), edited("memit", count=2)
    fresh = ready("memit-mass")
    request = fresh.request(STREAM[1], 1)
    assert torch.equal(mass._values[1].vector, fresh.value(request, fresh.read(request)).vector)
    assert not torch.equal(mass._weights[0], one._weights[0])
