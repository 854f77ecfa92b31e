"""Rules of single editors: GRACE's codebook, FT-L's box, what WISE measures and needs."""

from __future__ import annotations

import pytest
import torch

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, STREAM, edited, ready
from wise.editors.decision import Reading
from wise.editors.grace import COVER
from wise.editors.registry import make_editor
from wise.editors.shared.pooling import pooled_prompts
from wise.errors import ConfigError
from wise.records import EditRecord


def grace_with(*entries):
    """A codebook of the given (key, label) pairs, placed by GRACE's own rule; radius 1."""
    editor = ready("grace", radius=1.0)
    features = editor.site.weight.shape[1]
    for point, label in entries:
        query = torch.zeros(1, features)
        query[0, 0] = point
        radii, index = editor._place(query, label)
        if index == len(editor._keys):
            editor._keys = torch.cat([editor._keys, query])
            editor._labels = [*editor._labels, label]
        editor._radii = radii
    return editor


def reading(queries):
    """Texts of one token each."""
    first = torch.zeros(len(queries), dtype=torch.long)
    inner = queries[:, None]
    return Reading(inner, inner, torch.ones(len(queries), 1, dtype=torch.bool), first, first)


def test_grace_adds_a_key_where_no_radius_reaches():
    editor = grace_with((0.0, "a"), (5.0, "b"))
    assert editor._labels == ["a", "b"] and editor._radii.tolist() == [1.0, 1.0]


def test_grace_widens_a_key_of_the_same_label():
    assert grace_with((0.0, "a"), (1.5, "a"))._radii.tolist() == pytest.approx([1.5 * COVER])
    assert grace_with((0.0, "a"), (0.5, "a"))._radii.tolist() == [1.0]


def test_grace_splits_keys_of_different_labels():
    editor = grace_with((0.0, "a"), (1.5, "b"))
    assert editor._labels == ["a", "b"]
    assert editor._radii.tolist() == pytest.approx([0.75 - 1e-5, 0.75])


def test_grace_labels_stay_with_their_keys():
    editor = grace_with((0.0, "a"), (10.0, "b"), (20.0, "c"), (10.5, "b"), (20.8, "d"))
    assert editor._labels == ["a", "b", "c", "d"]
    assert editor._keys[:, 0].tolist() == pytest.approx([0.0, 10.0, 20.0, 20.8])


def test_grace_answers_inside_the_radius_only():
    editor = grace_with((0.0, "a"), (10.0, "b"))
    queries = torch.zeros(3, editor.site.weight.shape[1])
    queries[:, 0] = torch.tensor([0.9, 10.2, 5.0])
    assert editor.decide(reading(queries)).choice.tolist() == [1, 2, 0]


def test_grace_relative_radius_is_a_share_of_the_distance_between_prompts():
    editor = ready("grace", radius=0.5, relative=True)
    queries = pooled_prompts(editor, [r.prompt for r in STREAM], "last")
    assert editor._first_radius.item() == pytest.approx(0.5 * torch.pdist(queries).median().item())


def test_ft_box_bounds_what_one_edit_changes():
    editor = edited("ft-l", count=1, box=1e-3)
    first = editor._weight
    assert (first - editor.site.weight.new_tensor(0)).shape == first.shape
    with editor.unedited():
        assert (first - editor.site.module.weight).abs().max().item() <= 1e-3 + 1e-7
    editor.edit(STREAM[1])
    assert 0 < (editor._weight - first).abs().max().item() <= 1e-3 + 1e-7


def test_margins_are_relative_to_the_model():
    small, large = ready("wise-merge"), ready("wise-merge")
    with torch.no_grad():
        large.site.weight.mul_(2)
    large.prepare([EditRecord("t", r.prompt, r.target, r.subject, r.irrelevant) for r in STREAM])
    assert large._calibration.output_norm == pytest.approx(2 * small._calibration.output_norm, rel=1e-5)


def test_contexts_are_drawn_by_seed_and_edit():
    editor = ready("wise-merge", context_prefixes=2)
    assert (
        editor.rows(STREAM[0], 2).batch.input_ids.tolist()
        == ready("wise-merge").rows(STREAM[0], 2).batch.input_ids.tolist()
    )
    assert editor.rows(STREAM[0], 2).batch.input_ids.shape[0] == 3
    assert editor.rows(STREAM[0], 99).batch.input_ids.shape[0] == len(CONTEXTS) + 1


def test_wise_says_what_it_needs_before_the_first_edit():
    editor = make_editor("wise-merge", tiny_language_model(), 2)
    with pytest.raises(ConfigError, match="call prepare"):
        editor.edit(STREAM[0])
    bare = [EditRecord("t", "Ada was", "Bo", "Ada")]
    with pytest.raises(ConfigError, match="at least 3 training prompts, found 1"):
        editor.prepare(bare)
    with pytest.raises(ConfigError, match="'irrelevant' text"):
        make_editor("wise-merge", tiny_language_model(), 2, {"convention": "refined"}).prepare(bare)
