"""AlphaEdit: what training texts use stays, what former edits use stays, and the update solves its equation."""

from __future__ import annotations

import pytest
import torch

from tests.tiny_edits import STREAM, edited, ready
from wise.editors.locate.solve import null_space, null_space_update
from wise.errors import ConfigError

D, F, N, P = 4, 12, 2, 3


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.fixture
def preserved():
    """Inputs of 40 tokens that use 5 of 12 directions."""
    return draw(40, 5) @ draw(5, F)


def test_outputs_of_preserved_keys_are_unchanged(preserved):
    basis = null_space(preserved.T @ preserved / 40, 1e-8)
    assert basis.shape == (F, 7)
    keys, past = draw(F, N), draw(F, P)
    update = null_space_update(basis @ (basis.T @ past), basis @ (basis.T @ keys), draw(D, N), ridge=1e-3)
    assert (update @ preserved.T).abs().max() < 1e-6 and update.norm() > 1e-2


def test_the_update_solves_its_equation(preserved):
    basis = null_space(preserved.T @ preserved / 40, 1e-8)
    projection = basis @ basis.T
    keys, past, residuals = draw(F, N), draw(F, P), draw(D, N)
    update = null_space_update(projection @ past, projection @ keys, residuals, ridge=0.3)
    left = (projection @ (keys @ keys.T + past @ past.T) + 0.3 * torch.eye(F, dtype=torch.float64)) @ update.T
    torch.testing.assert_close(left, projection @ keys @ residuals.T, atol=1e-10, rtol=1e-10)


def test_former_edits_are_left_alone_as_far_as_the_ridge_allows(preserved):
    basis = null_space(preserved.T @ preserved / 40, 1e-8)
    past, keys, residuals = basis @ (basis.T @ draw(F, P)), basis @ (basis.T @ draw(F, N)), draw(D, N)
    knowing = null_space_update(past, keys, residuals, ridge=1e-8)
    unaware = null_space_update(past[:, :0], keys, residuals, ridge=1e-8)
    assert (knowing @ past).abs().max() < 1e-5 < (unaware @ past).abs().max()
    torch.testing.assert_close(knowing @ keys, residuals, atol=1e-5, rtol=1e-5)


def test_a_threshold_below_all_eigenvalues_is_refused():
    with pytest.raises(ConfigError, match="null_threshold 0.001 leaves no direction.*eigenvalues.*from 1 to 1"):
        null_space(torch.eye(F), 1e-3)


def test_keys_of_all_edits_are_kept_projected_by_layer():
    editor = edited("alphaedit", null_threshold=1e-2)
    state = editor.memory()
    assert sorted(state) == ["past.1", "past.2", "weight.1", "weight.2"]
    for site in editor.sites:
        basis = editor._derived[site.layer]
        past = state[f"past.{site.layer}"]
        assert past.shape == (64, len(STREAM)) and 0 < basis.shape[1] < 64
        torch.testing.assert_close(basis @ (basis.T @ past), past)


def test_in_the_model_training_texts_keep_their_outputs():
    """The change of each matrix lies in the null space of its inputs' second moment."""
    editor = ready("alphaedit", null_threshold=1e-2)
    before = [site.weight.detach().double() for site in editor.sites]
    for record in STREAM:
        editor.edit(record)
    for site, old in zip(editor.sites, before, strict=True):
        basis = editor._derived[site.layer]
        change = site.weight.detach().double() - old
        assert change.norm() > 1e-2
        assert (change - change @ basis @ basis.T).norm() < 1e-6 * old.norm()
