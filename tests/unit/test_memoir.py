"""MEMOIR: masks by hand, the columns that an edit changes, and which stored mask answers."""

from __future__ import annotations

import pytest
import torch

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, STREAM, edited, ready
from wise.editors.decision import Reading, Routing
from wise.editors.registry import make_editor
from wise.editors.shared.loss import edit_loss
from wise.errors import ConfigError


def asked(inner):
    """What a decision sees of prompts of one token, (B, f)."""
    start = torch.zeros(len(inner), dtype=torch.long)
    return Reading(inner[:, None], inner[:, None], torch.ones(len(inner), 1, dtype=torch.bool), start, start)


def with_masks(*rows, share=0.25, tau=0.5):
    """An editor on 64 columns whose k = 16 are identified with the columns given, moved nowhere."""
    editor = ready("memoir", share=share, tau=tau)
    features = editor.site.weight.shape[1]
    editor._permutation = torch.arange(features)
    editor.prepared["mean"] = torch.zeros(features)
    masks = torch.zeros(len(rows), features, dtype=torch.bool)
    for mask, columns in zip(masks, rows, strict=True):
        mask[list(columns)] = True
    editor._masks = masks
    return editor


def activation(columns, features=64):
    inner = torch.zeros(1, features)
    inner[0, list(columns)] = 1.0
    return inner


@pytest.mark.parametrize(("top", "columns"), [("signed", [1, 2]), ("absolute", [1, 3])])
def test_a_mask_is_the_largest_centred_entries_moved_by_the_permutation(top, columns):
    editor = ready("memoir", share=2 / 64, top=top)
    features = editor.site.weight.shape[1]
    mean, inner = torch.zeros(features), torch.zeros(1, features)
    inner[0, :4] = torch.tensor([9.0, 5.0, 4.0, -9.0])
    mean[0] = 8.0  # 9 is nothing special in column 0
    editor.prepared["mean"] = mean
    assert editor.active == 2
    moved = editor._permutation[torch.tensor(columns)].tolist()
    assert sorted(editor.masks(inner)[0].nonzero()[:, 0].tolist()) == sorted(moved)
    assert sorted(editor._permutation.tolist()) == list(range(features)) != editor._permutation.tolist()


def test_the_nearest_stored_mask_answers_where_enough_columns_are_shared():
    editor = with_masks(range(16), range(16, 32))
    queries = torch.cat([activation(range(16)), activation(range(10, 26)), activation(range(24, 40)),
                         activation(range(25, 41))])  # fmt: skip
    routing = editor.decide(asked(queries))
    assert routing.score.tolist() == pytest.approx([1.0, 10 / 16, 8 / 16, 7 / 16])
    assert routing.choice.tolist() == [1, 2, 2, 0]
    hamming = (editor.masks(queries)[:, None] != editor._masks[None]).sum(-1)
    assert routing.score.tolist() == pytest.approx((1 - hamming.amin(1) / 32).tolist())


def test_the_memory_is_seen_through_the_stored_mask_not_the_query_s():
    editor = with_masks(range(16), range(16, 32))
    width, features = editor.site.weight.shape
    editor._memory = torch.ones(width, features)
    inner = torch.arange(float(features)).expand(3, 2, -1)
    base = torch.zeros(3, 2, width)
    routing = Routing(torch.ones(3), torch.ones(3), torch.tensor([2, 0, 1]))
    output = editor.output(inner, base, routing, torch.tensor([1, 1, 1]))
    expected = torch.tensor([sum(range(16, 32)), 0.0, sum(range(16))])
    assert torch.equal(output, expected[:, None, None].expand_as(output))


def test_an_edit_is_gradient_descent_on_the_columns_of_its_mask():
    """One step, against autograd through the whole memory in float64's place: all columns, then masked."""
    editor = ready("memoir", steps=1, lr=0.7, context_prefixes=1)
    frozen = editor.rows(STREAM[0], 1)
    mask = editor.masks(frozen.query()[:1])[0]
    memory = torch.zeros_like(editor.site.weight).requires_grad_(True)
    residual = (frozen.inner * mask) @ memory.T
    loss = edit_loss(editor.tail, frozen, frozen.output + residual)
    (gradient,) = torch.autograd.grad(loss, memory)
    outcome = editor.edit(STREAM[0])
    assert outcome.loss == pytest.approx(loss.item(), abs=1e-5) and outcome.iterations == 1
    torch.testing.assert_close(editor._memory, -0.7 * gradient, atol=1e-6, rtol=1e-4)
    assert not editor._memory[:, ~mask].any() and editor._memory[:, mask].any()
    assert torch.equal(editor._masks[0], mask)


def test_later_edits_leave_columns_outside_of_their_masks_alone():
    editor = edited("memoir", count=1, share=0.1)
    before = editor._memory.clone()
    editor.edit(STREAM[1])
    assert torch.equal(editor._memory[:, ~editor._masks[1]], before[:, ~editor._masks[1]])
    assert editor.holder(STREAM[1].id) == 2 and editor.holder("none such") == 0


def test_memoir_says_what_it_needs_before_the_first_edit():
    with pytest.raises(ConfigError, match="call prepare"):
        make_editor("memoir", tiny_language_model(), 2, {}, CONTEXTS).edit(STREAM[0])
    with pytest.raises(ConfigError, match="'share' must be greater than 0"):
        ready("memoir", share=0.0)


def test_an_artifact_of_another_version_is_named():
    editor = ready("memoir")
    editor.use_artifact({"mean": torch.zeros(editor.site.weight.shape[1])})
    with pytest.raises(ConfigError, match="no 'pooling': another version made it"):
        _ = editor.pooling
    editor.prepared = {}
    with pytest.raises(ConfigError, match="memoir learns from training records first"):
        _ = editor.pooling
