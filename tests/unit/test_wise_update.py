"""Updates as factors: what they hold, how small they are, and how they are saved."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.side_memories import STREAM, edited
from tests.unit.test_wise_whitening import made
from wise.editors.wise.memories.memory import Memory
from wise.editors.wise.update import LOST, Update, compact
from wise.errors import DataError


def of_rank(rank: int, rows: int = 40, columns: int = 60) -> torch.Tensor:
    draw = torch.Generator().manual_seed(rank)
    return torch.randn(rows, rank, generator=draw) @ torch.randn(rank, columns, generator=draw)


@pytest.mark.parametrize("rank", [1, 5])
def test_a_matrix_of_low_rank_becomes_two_factors(rank):
    delta = of_rank(rank)
    update = compact(delta, 0)
    left, right = update.factors
    assert left.shape == (40, rank) and right.shape == (rank, 60) and update.size == 100 * rank
    torch.testing.assert_close(update.whole, delta, atol=1e-4, rtol=1e-4)
    inner = torch.randn(3, 2, 60)
    torch.testing.assert_close(update.moved(inner), inner @ delta.T, atol=1e-3, rtol=1e-4)
    assert not update.empty and compact(torch.zeros_like(delta), 0).empty


def test_factors_leave_out_what_is_small_and_no_more():
    delta = of_rank(3) + 1e-4 * of_rank(30)
    update = compact(delta, 0)
    assert update.factors[0].shape[1] == 3
    assert 0 < torch.linalg.norm(update.whole - delta) <= LOST * torch.linalg.norm(delta)
    inner = torch.randn(100, 60)
    moved = torch.linalg.vector_norm(update.moved(inner), dim=-1)
    assert (moved <= torch.linalg.vector_norm(inner @ delta.T, dim=-1) + 1e-4).all(), "no token is moved further"


def test_a_matrix_whose_factors_would_be_larger_stays_as_it_is():
    delta = of_rank(40)
    (whole,) = compact(delta, 0).factors
    assert whole is delta


def test_a_product_is_taken_out_of_either_form():
    column, row = torch.randn(40, 1), torch.randn(1, 60)
    for update in (Update((of_rank(3),)), compact(of_rank(3), 0)):
        less = update.less(column, row)
        torch.testing.assert_close(less.whole, of_rank(3) - column @ row, atol=1e-4, rtol=1e-4)
        assert len(less.factors) == len(update.factors)
    grown = compact(of_rank(3), 0)
    for _ in range(30):
        grown = grown.less(column, row)
    assert len(grown.factors) == 1, "factors that have become larger than the matrix"
    torch.testing.assert_close(grown.whole, of_rank(3) - 30 * column @ row, atol=1e-3, rtol=1e-3)


def test_a_whitened_memory_is_smaller_than_its_matrix_and_a_masked_one_is_the_matrix():
    whitened = made(capacity=1, steps=70, stop="separated")
    whitened.edit(STREAM[0])
    masked = edited("wise-retrieve", 1, shards=2, rho=0.5)
    assert len(whitened.bank.shards[0].update.factors) == 2 and len(masked.bank.shards[0].update.factors) == 1
    assert whitened.bank.shards[0].update.size < whitened.site.weight.numel()
    names = {name.split(".")[1] for name in whitened.state() if name.startswith("shard")}
    assert {"left", "right"} <= names and not {"delta", "mask"} & names
    assert {"shard0.delta", "shard0.mask"} <= masked.state().keys()


def test_memories_of_both_forms_are_restored_and_one_without_its_update_is_not():
    editor = made(capacity=1)
    editor.edit(STREAM[0])
    shard = editor.bank.shards[0]
    width = editor.site.weight.shape[1]
    factored = shard.state()
    whole = {name: part for name, part in factored.items() if name not in ("left", "right")} | {"delta": shard.delta}
    for state in (factored, whole):  # the second is how former versions saved it
        assert torch.equal(Memory.restored(state, width).delta, shard.delta)
    for lost in ("left", "right"):
        with pytest.raises(DataError, match="lacks the update of a memory"):
            Memory.restored({name: part for name, part in factored.items() if name != lost}, width)


@pytest.mark.parametrize("order", [{}, {"order": "sequential", "group": 2, "threshold": "recorded"}])
def test_memories_without_a_drawn_mask_can_be_written(order, tmp_path):
    editor = edited("wise-retrieve", 1, shards=1, rho=1.0, density=1.0, **order)
    save_file(editor.state(), tmp_path / "memory.safetensors")
    again = edited("wise-retrieve", 0, shards=1, rho=1.0, density=1.0, **order)
    again.restore(editor.edits, load_file(tmp_path / "memory.safetensors"))
    for later in (editor, again):
        later.edit(STREAM[1])
    assert torch.equal(editor.bank.served()[0].delta, again.bank.served()[0].delta)


def test_a_file_without_a_mask_that_was_drawn_is_refused():
    editor = edited("wise-retrieve", 1, shards=2, rho=0.5)
    state = {name: part for name, part in editor.state().items() if name != "shard0.mask"}
    with pytest.raises(DataError, match=r"lacks the tensor 'shard0\.mask'"):
        edited("wise-retrieve", 0, shards=2, rho=0.5).restore(editor.edits, state)
