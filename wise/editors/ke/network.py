"""KE's network: from the text of an edit to rank-one matrices that turn its gradient into an update (section 4.1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class Factors(NamedTuple):
    """An update is `scale` () * (gradient o `multiplied` + `added`), all (m, n), and the two of rank one."""

    multiplied: Tensor
    added: Tensor
    scale: Tensor


class UpdateNetwork(nn.Module):
    """An LSTM reads the condition, and linear layers make of it the factors of one matrix (m, n).

    `embeddings` (V, e) are the model's own and are not written to. What training adds to them is kept for the tokens
    `known` (k,) of the training texts, sorted; for all others it would be zero.
    """

    known: Tensor
    embeddings: Tensor

    def __init__(
        self, shape: tuple[int, int], embeddings: Tensor, known: Tensor, hidden: int, cond_dim: int, max_scale: float
    ) -> None:
        super().__init__()
        self.shape, self.max_scale = shape, max_scale
        self.register_buffer("embeddings", embeddings, persistent=False)
        self.register_buffer("known", known)
        self.offset = nn.Parameter(torch.zeros(len(known), embeddings.shape[1]))
        self.lstm = nn.LSTM(embeddings.shape[1], hidden, bidirectional=True)
        self.condition = nn.Linear(2 * hidden, cond_dim)
        size = 2 * sum(shape) + 1
        self.head = nn.Sequential(
            weight_norm(nn.Linear(cond_dim, hidden)), nn.Tanh(), weight_norm(nn.Linear(hidden, size))
        )

    def embedded(self, ids: Tensor) -> Tensor:
        """Embeddings (..., e) of token ids."""
        found = self.embeddings[ids].to(self.offset)
        if not len(self.known):
            return found
        place = torch.searchsorted(self.known, ids).clamp(max=len(self.known) - 1)
        return found + torch.where((self.known[place] == ids)[..., None], self.offset[place], 0.0)

    def read(self, ids: Tensor) -> Tensor:
        """The condition as a vector (c,), from one text (L,)."""
        _, (last, _) = self.lstm(self.embedded(ids))  # (2, h): each direction behind its last token
        return torch.tanh(self.condition(last.flatten()))  # (2h,) x (2h, c)

    def factors(self, ids: Tensor) -> Factors:
        """The factors for one text (L,)."""
        rows, columns = self.shape
        parts = self.head(self.read(ids))
        col_a, row_a, col_b, row_b, scale = parts.split([columns, rows, columns, rows, 1])
        multiplied = torch.outer(row_a.softmax(0), col_a)  # (m,) x (n,)
        added = torch.outer(row_b.softmax(0), col_b)
        return Factors(multiplied, added, self.max_scale * torch.sigmoid(scale[0]))

    def forward(self, ids: Tensor, gradient: Tensor) -> Tensor:
        """The update (m, n) of a matrix whose loss has the `gradient` (m, n), for the text (L,) of the edit."""
        multiplied, added, scale = self.factors(ids)
        return scale * (gradient.to(multiplied) * multiplied + added)
