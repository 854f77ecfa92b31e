"""Whitened updates: an edit moves the matrix along what its keys have and unrelated prompts have not.

The inputs of the matrix at last prompt tokens share directions, on a pretrained model most of their length. An update
in such a direction moves every prompt, and the router, which measures that movement, opens for everything. With the
second moments C of unrelated prompts' inputs, gradients become G (C + ridge I)^-1, the metric in which ROME
(arXiv 2202.05262, equation 2) and MEMIT (arXiv 2210.07229, equation 14) look for their updates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from wise.editors.shared.loss import edit_loss
from wise.editors.wise.routing import Scope, pooled, token_gap
from wise.editors.wise.training import Edit, Iteration, SideMemory, Trainer
from wise.editors.wise.update import Update
from wise.lm.batch import by_length, collate, encode_prompts
from wise.seeds import generator
from wise.tail.tail import Tail

SQUARES = 48
"""Bytes for each of the f^2 entries of C, most of them while P is computed in float64; its moments are kept."""

KEYS = 2
"""Tokens that second moments are taken over, for each input of the matrix."""


def key_moments(tail: Tail, texts: Sequence[str], batch_size: int = 32) -> Tensor:
    """Second moments (2, f, f) of the matrix's inputs: of the first tokens of texts, and of all others.

    Texts are read in random order until there are `KEYS` tokens for each of the f inputs.
    """
    order = torch.randperm(len(texts), generator=generator(0, "key moments"), device="cpu").tolist()
    enough = KEYS * tail.site.weight.shape[1]
    sequences = []
    for sequence in encode_prompts(tail.lm, [texts[int(i)] for i in order]):
        sequences.append(sequence)
        enough -= len(sequence.ids) - 1
        if enough <= 0:
            break
    size = tail.site.weight.shape[1]
    sums = torch.zeros(2, size, size, dtype=torch.float64, device=tail.lm.device)
    for indices in by_length(sequences, batch_size):
        states = tail.read(collate([sequences[i] for i in indices], tail.lm.pad, tail.lm.device))
        real = states.batch.attention_mask.bool()
        real[:, 0] = False
        for part, keys in enumerate((states.inner[:, 0].double(), states.inner[real].double())):  # (n, f)
            sums[part] += keys.T @ keys  # (f, n) x (n, f)
    return sums.float()


def joined_moments(moments: Tensor, queries: Tensor) -> Tensor:
    """C (f, f) from `key_moments` (2, f, f) and last prompt tokens `queries` (n, f): all three parts count alike.

    First tokens look the same in every text and are often larger than all others together: what moves them moves
    everything. Last prompt tokens are where decisions fall, and share much as well: questions end in one mark. But a
    few hundred of them span too little, and an update would be free to move every prompt that ends in another word.
    """
    total = moments.new_zeros(moments.shape[1:], dtype=torch.float64)
    for part in (*moments, queries.double().T @ queries.double()):  # (f, n) x (n, f)
        if part.trace() > 0:
            total += part / part.trace()
    return total


def whitening(moments: Tensor, ridge: float) -> Tensor:
    """P (f, f) in proportion to (C + ridge * tr(C) / f * I)^-1, from C (f, f) in float64.

    It is scaled so that tr(P C) = tr(C): a whitened key is as large as before, on average.
    """
    power = moments.trace()
    ridged = moments.clone()
    ridged.diagonal().add_(ridge * power / len(moments))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(ridged))
    return inverse * (power / (inverse * moments).sum())


KEPT = 0.05
"""How much of a past edit's key is left to a new edit, against what was: 0 would be none, and 1 half."""


def sparing(keys: Tensor, metric: Tensor, past: Tensor) -> Tensor:
    """`keys` K (N, f) in the `metric` P (f, f) of a memory that hardly moves the keys X `past` (n, f) of its edits.

    By the Woodbury identity P becomes (P^-1 + X^T X / r)^-1 = P - P X^T (r I + X P X^T)^-1 X P, r being `KEPT` times
    the mean of x P x^T. So an edit of the same prompt as a past one can still be learned.
    """
    whitened = keys @ metric  # (N, f) x (f, f)
    if not len(past):
        return whitened
    moved = past @ metric  # (n, f) x (f, f)
    gram = (moved @ past.T).double()  # (n, f) x (f, n)
    gram.diagonal().add_(KEPT * gram.diagonal().mean())
    shares = torch.linalg.solve(gram, (moved @ keys.T).double()).to(keys)  # (n, n), (n, f) x (f, N) -> (n, N)
    return whitened - shares.T @ moved  # (N, n) x (n, f)


def released(update: Update, query: Tensor, metric: Tensor, past: Tensor) -> Update:
    """`update` (d, f) with the least change in the `metric` P (f, f) after which it moves `query` (1, f) no more.

    It spares the keys `past` (n, f) of the edits that are its own, see `sparing`.
    """
    query = query.to(update.factors[0])
    way = sparing(query, metric.to(query), past.to(query))  # (1, f)
    return update.less(update.moved(query).T, way / (way @ query.T))  # (1, f) x (f, 1)


LIKELY = math.log(2)
"""Nats of a whole target below which it is likelier than all else together: the edit has taken."""

PATIENCE = 0.5
"""Share of the steps after which an edit that has not taken leaves the margins out, and is learned in larger steps."""

REACH = 300.0
"""Most that its step size has grown by in the end."""

SHRINK = 0.5
"""Factor of its step size where the loss did not fall with the last step."""


class WhitenedMemory(SideMemory):
    """One edit in coordinates of its tokens.

    Whitened gradients are sums of g x^T P over the N tokens x of an edit, so the update is `coefficients`^T X P, and a
    step moves the output at these tokens by K g with K = X P X^T (N, N). Nothing of the size of the matrix is touched
    before the edit is learned. The variable that gradients are taken of is what the update adds at the tokens (N, d).
    """

    def __init__(self, tail: Tail, edit: Edit, delta: Tensor, metric: Tensor) -> None:
        rows, step = edit.rows, edit.step
        super().__init__(tail, rows, step, delta, delta.new_ones(()))
        frozen, far = rows.frozen, cast(Scope, rows.outside)
        self.real = frozen.batch.attention_mask.bool()  # (B, L)
        keys = torch.cat([frozen.inner[self.real], far.inner.flatten(0, 1)]).to(delta)  # (N, f)
        self.whitened = sparing(keys, metric, keys[:0] if edit.past is None else edit.past.to(keys))  # (N, f)
        self.gram = self.whitened @ keys.T  # (N, f) x (f, N)
        self.delta = delta
        self.count = int(self.real.sum())
        self.start = keys @ delta.T  # (N, f) x (f, d)
        self.coefficients = torch.zeros_like(self.start)
        self.variable = self.start.clone().requires_grad_(True)
        self.likely = LIKELY / int((frozen.batch.length - frozen.batch.start)[0])
        """The mean loss of its target's tokens below which the edit has taken."""
        self.rate: Tensor | None = None
        """Size of the last step, known from the first one on."""
        self.factor, self.loss = delta.new_ones(()), delta.new_full((), torch.inf)
        """Factor of the next step's size, and the loss before the last step."""
        self.seen = self.least = delta.new_full((), torch.inf)
        """The edit's loss in the last pass, and the least one of all, which it had with the coefficients `kept`."""
        self.kept = self.coefficients

    def forward(self) -> Iteration:
        """See `SideMemory.forward`."""
        frozen, far, activation = self.rows.frozen, cast(Scope, self.rows.outside), self.step.activation
        moved = self.variable.to(frozen.inner)
        change = torch.zeros_like(frozen.output).masked_scatter(self.real[..., None], moved[: self.count])  # (B, L, d)
        gaps = token_gap(change, frozen.output, activation)
        beyond = token_gap(moved[self.count :].view_as(far.base), far.base, activation)  # (m, L)
        loss = edit_loss(self.tail, frozen, frozen.output + change)
        self.seen = loss.detach()
        self.kept = torch.where(self.seen < self.least, self.coefficients, self.kept)
        self.least = torch.minimum(self.seen, self.least)
        return self.judged(loss, gaps, pooled(beyond, far.span), beyond)

    def total(self, iteration: int, seen: Iteration) -> Tensor:
        """See `SideMemory.total`.

        Where keys of edit and unrelated prompts can hardly be told apart, margins may leave no room for the edit. But
        a router cannot be right about an edit that is not there. Large steps from the beginning would cost locality.
        """
        patient = PATIENCE * self.step.config.steps
        yielding = (seen.edit.detach() >= self.likely) & (iteration >= patient)
        grow = REACH ** (1 / (self.step.config.steps - patient))
        loss = seen.edit + self.step.routing_weight * torch.where(yielding, 0.0, seen.routing)
        fell = loss.detach() < self.loss
        self.factor, self.loss = torch.where(yielding, torch.where(fell, grow, SHRINK), 1.0), loss.detach()
        return loss

    @torch.no_grad()
    def update(self, gradient: Tensor, active: Tensor) -> None:
        """See `SideMemory.update`. The first step moves scored tokens by `lr` on average.

        How far an answer is from there differs between models, so they may grow later, see `total`.
        """
        self.rate = self._first_rate(gradient) if self.rate is None else self.rate * self.factor
        self.coefficients.addcmul_(gradient, self.rate * active, value=-1.0)
        torch.addmm(self.start, self.gram, self.coefficients, out=self.variable.data)  # (N, N) x (N, d)

    def _first_rate(self, gradient: Tensor) -> Tensor:
        """The rate at which a step down `gradient` (N, d) moves the scored tokens by `lr` on average."""
        scored = self.rows.span[self.real].nonzero()[:, 0]
        moved = torch.linalg.vector_norm(self.gram[scored] @ gradient, dim=-1).mean()  # (n, N) x (N, d)
        return self.step.lr / moved.clamp(min=torch.finfo(moved.dtype).tiny)

    def change(self) -> Tensor:
        """See `SideMemory.change`; without its gradient.

        Where the edit has not taken in the end, and was nearer to it before, it is as it was then: a last step that
        has grown may be one too large.
        """
        coefficients = torch.where(self._overshot(), self.kept, self.coefficients)
        return self.delta + coefficients.T @ self.whitened  # (d, N) x (N, f)

    def loss_of_change(self, last: Tensor) -> Tensor:
        """See `SideMemory.loss_of_change`."""
        return torch.where(self._overshot(), self.least, last)

    def _overshot(self) -> Tensor:
        return (self.seen >= self.likely) & (self.seen > self.least)


class WhitenedTrainer(Trainer):
    """Trains with the metric P (f, f) of `whitening`."""

    def __init__(self, tail: Tail, metric: Tensor) -> None:
        super().__init__(tail)
        self.metric = metric

    def side_memory(self, edit: Edit, delta: Tensor, mask: Tensor) -> SideMemory:
        """See `Trainer.side_memory`; there are no masks."""
        return WhitenedMemory(self.tail, edit, delta, self.metric.to(delta))
