"""ROME's update against its definition, in float64 and in the running model."""

from __future__ import annotations

import pytest
import torch

from tests.tiny_edits import STREAM, ready
from wise.editors.locate.solve import factor, rank_one_update

D, F = 5, 7


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.fixture
def moment():
    inputs = draw(40, F)
    return inputs.T @ inputs / 40


@pytest.mark.parametrize("covariance", [True, False])
def test_the_update_maps_the_key_to_the_value(moment, covariance):
    weight, key, value = draw(D, F), draw(F), draw(D)
    update = rank_one_update(key, key, value - weight @ key, factor(moment, 40) if covariance else None)
    torch.testing.assert_close((weight + update) @ key, value, atol=1e-12, rtol=1e-12)
    assert torch.linalg.matrix_rank(update) == 1


def test_the_update_is_the_least_change_in_the_covariance(moment):
    """Of all Delta with Delta k = r it has the least sum of ||Delta x||^2 over texts: by Lagrange multipliers."""
    key, residual = draw(F), draw(D)
    found = rank_one_update(key, key, residual, factor(moment, 40))
    moment = moment + moment.trace() / 40 * torch.eye(F, dtype=torch.float64)
    system = torch.zeros(F + 1, F + 1, dtype=torch.float64)  # [2C k; k^T 0] [row; multiplier] = [0; r_i]
    system[:F, :F], system[:F, F], system[F, :F] = 2 * moment, key, key
    sides = torch.zeros(F + 1, D, dtype=torch.float64)
    sides[F] = residual
    torch.testing.assert_close(found, torch.linalg.solve(system, sides)[:F].T, atol=1e-10, rtol=1e-10)


def test_without_covariance_inputs_orthogonal_to_the_key_are_left_alone():
    key, residual = draw(F), draw(D)
    other = draw(F, 1)[:, 0]
    other = other - key * (other @ key) / (key @ key)
    assert (rank_one_update(key, key, residual) @ other).abs().max() < 1e-12


@pytest.mark.parametrize("options", [{"covariance": True}, {"covariance": False}, {"token": "subject_last"}])
def test_the_running_model_gives_the_value_at_the_edited_token(options):
    editor = ready("rome", **options)
    editor.edit(STREAM[0])
    record = STREAM[1]
    request = editor.request(record)
    wanted = editor.value(request, editor.read(request)).vector
    editor.edit(record)
    torch.testing.assert_close(editor.current(request, editor.read(request)), wanted, atol=2e-4, rtol=2e-4)


def test_a_memory_is_the_sum_of_its_rank_one_updates():
    editor = ready("rome")
    before = editor.site.weight.detach().clone()
    for record in STREAM[:2]:
        editor.edit(record)
    change = (editor.site.weight.detach() - before).double()
    assert torch.linalg.svdvals(change)[2] < 1e-5 * torch.linalg.svdvals(change)[0]
