"""UltraEdit: running statistics, shifts and the closed form, each against float64 by another route."""

from __future__ import annotations

import pytest
import torch

from tests.closeness import TRAINED, assert_states_alike
from tests.tiny_edits import STREAM, edited, ready
from wise.editors.shared.loss import edit_loss
from wise.editors.shared.running_moments import RunningStatistics
from wise.editors.ultraedit import ridge_update, target_shifts
from wise.lm.batch import encode


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def statistics_of(*groups):
    statistics = RunningStatistics.empty(groups[0].shape[1])
    for group in groups:
        statistics = statistics.updated(group)
    return statistics


def test_running_statistics_equal_those_of_one_batch():
    vectors = 3 + 5 * draw(40, 7)
    running = statistics_of(vectors[:1], vectors[1:4], vectors[4:30], vectors[30:])
    torch.testing.assert_close(running.mean, vectors.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(running.std(), vectors.std(0), rtol=1e-12, atol=1e-12)
    assert running.count == 40


def test_running_statistics_keep_their_digits_far_from_zero():
    vectors = 1e6 + 1e-3 * draw(300, 2)
    running = statistics_of(*vectors.split(3))
    torch.testing.assert_close(running.std(), vectors.std(0), rtol=1e-6, atol=0)


def test_normalised_vectors_have_mean_0_and_deviation_1_and_constants_are_0():
    vectors = torch.cat([7 + 2 * draw(50, 3), torch.full((50, 1), 4.0, dtype=torch.float64)], 1)
    normal = statistics_of(vectors[:20], vectors[20:]).normalised(vectors)
    torch.testing.assert_close(normal.mean(0), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(normal[:, :3].std(0), torch.ones(3, dtype=torch.float64), rtol=1e-6, atol=0)
    assert not normal[:, 3].any()


@pytest.mark.parametrize("ridge", [1.0, 0.01])
def test_the_update_solves_the_normal_equations(ridge):
    inner, values = draw(9, 20), draw(9, 5, seed=1)
    delta = ridge_update(inner, values, ridge)
    left = (inner.T @ inner + ridge * torch.eye(20, dtype=torch.float64)) @ delta.T
    torch.testing.assert_close(left, inner.T @ values, rtol=1e-10, atol=1e-10)


def test_shifts_by_hand():
    """Mean (1, 0, 1) and deviation (1, 2, 4): x^ = (2, 1), d^ = 0.5, so v = -lr * 5 * 0.5."""
    statistics = RunningStatistics(
        torch.tensor(2.0), torch.tensor([1.0, 0.0, 1.0]).double(), torch.tensor([1.0, 4.0, 16.0]).double()
    )
    shift = target_shifts(statistics, torch.tensor([[3.0, 2.0]]), torch.tensor([[3.0]]), lr=0.1)
    assert shift.item() == pytest.approx(-0.25, rel=1e-5)


def test_the_statistics_run_over_the_tokens_of_all_edits_each_at_the_weights_it_met():
    editor = ready("ultraedit", pilot=0, context_prefixes=1)
    seen, weight = [], editor.site.weight.detach()
    for item in STREAM:
        rows = editor.rows(item, 1)
        matrix = weight.clone().requires_grad_(True)
        output = torch.nn.functional.linear(rows.inner, matrix)
        output.retain_grad()
        (2 * edit_loss(editor.tail, rows, output)).backward()  # of two rows, each with its own loss
        here = rows.batch.predicting()
        seen.append(torch.cat([rows.inner[here], output.grad[here]], 1).double())
        editor.edit(item)
        weight = editor._weight
    everything = torch.cat(seen)
    torch.testing.assert_close(editor._statistics.mean, everything.mean(0), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(editor._statistics.std(), everything.std(0), rtol=1e-4, atol=1e-7)


def test_one_edit_changes_the_weight_by_the_update_of_its_tokens():
    editor = ready("ultraedit", lr=1e-3, ridge=1.0)
    before = editor._statistics
    weight = editor.site.weight.detach().clone()
    inner, slopes, _ = editor._tokens(editor.rows(STREAM[0], editor.config.context_prefixes), STREAM[0], weight)
    shifts = target_shifts(before.updated(torch.cat([inner, slopes], 1)), inner, slopes, 1e-3)
    editor.edit(STREAM[0])
    torch.testing.assert_close(editor._weight, (weight + ridge_update(inner, shifts, 1.0)).float())


def test_the_gradients_of_a_text_do_not_depend_on_how_many_rows_it_is_read_with():
    editor = ready("ultraedit")
    pairs = [(r.prompt, r.target) for r in STREAM]
    together = editor.frozen(encode(editor.lm, *zip(*pairs, strict=True)))
    alone = editor.frozen(encode(editor.lm, *zip(*pairs[:1], strict=True)))
    weight = editor.site.weight
    _, one, _ = editor._tokens(alone, STREAM[0], weight)
    _, all_three, _ = editor._tokens(together, STREAM[0], weight)
    torch.testing.assert_close(all_three[: len(one)], one, rtol=1e-4, atol=1e-7)


def test_the_pilot_is_made_from_training_records_and_is_back_after_rollback():
    editor = ready("ultraedit", pilot=2)
    tokens = sum(len(editor.lm.tokenizer(r.target, add_special_tokens=False).input_ids) for r in STREAM[:2])
    assert editor._statistics.count == tokens
    editor.edit(STREAM[0])
    assert editor._statistics.count > tokens
    editor.rollback()
    assert editor._statistics.count == tokens
    assert edited("ultraedit", count=0, pilot=0)._statistics.count == 0


def test_the_pilot_does_not_depend_on_seed_or_edits():
    editor, other = edited("ultraedit", count=2), ready("ultraedit", seed=1)
    made = editor.make_artifact(STREAM)
    assert_states_alike(made, other.prepared, sums=TRAINED)  # to rounding: other batches are cached by then
