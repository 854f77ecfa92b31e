"""Negative log-likelihoods: of logits that are used up, and part by part over a large vocabulary."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.models import VARIED, tiny_language_model
from wise.lm import likelihood
from wise.lm.likelihood import hidden_nll, token_nll


def test_token_likelihood_and_its_gradient_are_those_of_cross_entropy():
    logits = torch.randn(5, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64).mul_(9)
    tokens, weight = torch.tensor([0, 7, 29, 7, 3]), torch.arange(1.0, 6.0, dtype=torch.float64)
    ours, theirs = logits.clone().requires_grad_(True), logits.clone().requires_grad_(True)
    nll, expected = token_nll(ours * 1, tokens), nn.functional.cross_entropy(theirs, tokens, reduction="none")
    torch.testing.assert_close(nll, expected, atol=1e-13, rtol=1e-13)
    (expected * weight).sum().backward()
    (nll * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-13, rtol=1e-13)


def test_logits_that_something_else_needs_are_not_silently_overwritten():
    scores = torch.randn(2, 9, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    logits = scores.tanh()  # its gradient needs its own result
    loss = token_nll(logits, torch.tensor([1, 2])).sum()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


class _Widest(TorchDispatchMode):
    """The most columns of any tensor with as many rows as there are tokens."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.dim() == 2 and made.shape[0] == self.rows:
            self.columns = max(self.columns, made.shape[1])
        return made


@pytest.mark.parametrize("family", VARIED)
def test_a_large_vocabulary_is_read_part_by_part(family, monkeypatch):
    lm = tiny_language_model(family)
    head = lm.model.get_output_embeddings()
    vocabulary, width = head.weight.shape
    if head.bias is not None:
        nn.init.normal_(head.bias)
    lm.model.to(torch.float64).requires_grad_(False)
    draw = torch.Generator().manual_seed(0)
    tokens, weight = torch.tensor([0, 7, vocabulary - 1, 7, 3]), torch.arange(1.0, 6.0, dtype=torch.float64)
    hidden = torch.randn(5, width, generator=draw, dtype=torch.float64).mul_(3)
    ours, theirs = hidden.clone().requires_grad_(True), hidden.clone().requires_grad_(True)
    monkeypatch.setattr(likelihood, "STREAMED", 1)
    monkeypatch.setattr(likelihood, "PART", vocabulary // 3)  # the last part is a short one
    with _Widest(rows=5) as widest:
        nll = hidden_nll(lm, ours, tokens)
        (nll * weight).sum().backward()
    expected = nn.functional.cross_entropy(lm.logits(theirs), tokens, reduction="none")
    (expected * weight).sum().backward()
    torch.testing.assert_close(nll, expected, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-12, rtol=1e-12)
    assert widest.columns == max(vocabulary // 3, width)


def test_a_head_that_learns_gets_its_gradient(monkeypatch):
    lm = tiny_language_model()
    monkeypatch.setattr(likelihood, "STREAMED", 1)
    head = lm.model.get_output_embeddings()
    head.weight.requires_grad_(True)
    hidden = torch.randn(2, head.weight.shape[1], generator=torch.Generator().manual_seed(0))
    hidden_nll(lm, hidden, torch.tensor([1, 2])).sum().backward()
    assert head.weight.grad.any()
