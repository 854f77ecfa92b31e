"""Knowledge routing (section 2.3.1): the score of a text, the loss that separates scores, the margins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from wise.editors.decision import Reading
from wise.editors.wise.update import Update
from wise.errors import ConfigError
from wise.lm.batch import Batch

Activation = Callable[[Tensor], Tensor] | None

LONG = 100
"""Texts of more positions are scored by their largest gap where `pool` is mean_or_max."""

HELD_BACK = slice(2, None, 3)
"""Which unrelated prompts take no part in learning: one of every three. Thresholds are set on them."""


@dataclass(frozen=True)
class Margins:
    """alpha, beta, gamma of equation 5, in the units of the routing score."""

    alpha: float
    beta: float
    gamma: float


@dataclass(frozen=True)
class Calibration:
    """The model's own scales at a site, measured once on unrelated prompts, before any edit.

    `queries` (n, f): the matrix's inputs at their last tokens. `output_norm`: median of ||W0 x||, the
    unit of the margins. `input_power`: mean of ||x||^2, the inverse unit of the learning rate.
    """

    queries: Tensor
    output_norm: float
    input_power: float

    @property
    def learned_with(self) -> Tensor:
        """The queries that edits are learned beside, two of every three."""
        return self.queries[torch.arange(len(self.queries)) % 3 < 2]

    @property
    def held_back(self) -> Tensor:
        """The others, on which thresholds are set."""
        return self.queries[HELD_BACK]

    @classmethod
    def measure(cls, queries: Tensor, weight: Tensor) -> Calibration:
        """From `queries` (n, f) and the unedited matrix `weight` (d, f).

        Raises `ConfigError` for a matrix that writes nothing, as in layers that were added to a model and not trained.
        """
        norms = torch.linalg.vector_norm((queries @ weight.T).float(), dim=-1)  # (n, f) x (f, d) -> (n,)
        unit = norms.median().item()
        if unit == 0:
            raise ConfigError("the edited matrix writes nothing for most unrelated prompts: choose another 'layer'")
        return cls(queries, unit, queries.float().square().sum(-1).mean().item())


@dataclass(frozen=True)
class Scope:
    """Texts that are scored: the matrix's input `inner` (n, L, f) and unedited output `base` (n, L, d).

    `span` (n, L) tells the positions whose gaps are averaged.
    """

    inner: Tensor
    base: Tensor
    span: Tensor

    def scores(self, update: Update | Tensor, activation: Activation = None, longest: int | None = None) -> Tensor:
        """D of every text (n,) with the side memory W0 + `update`, a matrix (d, f) or its factors, see `pooled`."""
        update = Update((update,)) if isinstance(update, Tensor) else update
        change = update.moved(self.inner)  # (n, L, f) -> (n, L, d)
        return pooled(token_gap(change, self.base, activation), self.span, longest)


def token_gap(change: Tensor, base: Tensor, activation: Activation = None) -> Tensor:
    """Equation 4 at every token: || x (W' - W0) ||_2 of `change` = x (W' - W0), (..., d) -> (...).

    The released code puts the FFN's `activation` on both outputs first; `base` is W0 x.
    """
    if activation is not None:
        change = activation(base + change) - activation(base)
    return torch.linalg.vector_norm(change, dim=-1)


def pooled(gaps: Tensor, span: Tensor, longest: int | None = None) -> Tensor:
    """Mean gap over the `span` of each text, (B, L) -> (B,); the maximum for texts of over `longest` positions."""
    inside = span.to(gaps.dtype)
    count = inside.sum(-1)
    mean = (gaps * inside).sum(-1) / count
    if longest is None:
        return mean
    return torch.where(count > longest, gaps.masked_fill(~span.bool(), 0).amax(-1), mean)


def span_of(reading: Reading, positions: str) -> Tensor:
    """Which positions (B, L) of texts enter the score, see `WiseConfig.positions`.

    A prompt without its answer has one token that predicts the answer: its last one.
    """
    at = torch.arange(reading.inner.shape[1], device=reading.inner.device)
    last, end = reading.last[:, None], reading.end[:, None]
    if positions == "last":
        return at == last
    if positions == "answer":
        return (at >= last) & (at < torch.maximum(end, last + 1))
    if positions == "padded":
        return (at <= end.max()).expand(len(last), -1)
    return reading.real & (at <= (last if positions == "prompt" else end))


def training_span(batch: Batch, positions: str) -> Tensor:
    """The same while an edit is learned, when prompt and answer are at hand, (B, L)."""
    at = torch.arange(batch.input_ids.shape[1], device=batch.input_ids.device)
    last, real = batch.start[:, None] - 1, batch.attention_mask.bool()
    spans = {
        "last": at == last,
        "answer": (at >= last) & (at < batch.length[:, None] - 1),
        "prompt": real & (at <= last),
        "tokens": real,
        "padded": torch.ones_like(real),
    }
    return spans[positions]


def routing_loss(edit: Tensor, irrelevant: Tensor, margins: Margins, hinge: str = "mean") -> Tensor:
    """Equation 5 from edit scores (n,) and irrelevant scores (m,).

    L_a = max(0, D(x_i) - alpha) + max(0, beta - D(x_e)) + max(0, gamma - (D(x_e) - D(x_i))), each term the mean
    over all pairs, or with `hinge` "positive" over those that are above zero.
    """
    gap = edit[:, None] - irrelevant[None, :]  # (n, m)
    return hinges([irrelevant - margins.alpha, margins.beta - edit, margins.gamma - gap], hinge)


def hinges(terms: list[Tensor], hinge: str) -> Tensor:
    """Sum over terms of the mean of max(0, v): over all entries, or over the positive ones (0 if there are none)."""
    total = terms[0].new_zeros(())
    for term in terms:
        above = term.relu()
        count = (term > 0).sum().clamp(min=1) if hinge == "positive" else term.numel()
        total = total + above.sum() / count
    return total
