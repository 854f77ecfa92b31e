"""What a model reads of a prompt at its last token, where the edited matrix writes it.

A model that was trained on many wordings of its facts holds there what is asked about whom, whatever the words. Then
that is a better sign of an edit than its subject alone, of which other things may be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wise.editors.base import Editor
from wise.editors.decision import Reading
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise.cosine_scope import PromptTokens, units
from wise.editors.wise.rows import queries_scope
from wise.editors.wise.whitening import whitening
from wise.records import EditRecord
from wise.tail.frozen_states import FrozenStates

RIDGE = 1.0
"""Of the metric, as a share of its mean eigenvalue. Directions in which unrelated prompts hardly differ tell wordings
apart as well as facts, so they do not count as much as with subjects."""


@dataclass(frozen=True)
class PromptReader:
    """Reads the unedited output of the matrix; `factor` (d, d) is of the metric of unrelated prompts' outputs."""

    factor: Tensor
    site: None = None

    @classmethod
    def measured(cls, editor: Editor, queries: Tensor) -> PromptReader:
        """With the metric of the outputs for `queries` (n, f), the matrix's inputs at last tokens."""
        outputs = _written(editor, queries).double()
        return cls(torch.linalg.cholesky(whitening(outputs.T @ outputs, RIDGE)).float())  # (d, n) x (n, d)

    def seen(self, reading: Reading) -> tuple[Tensor, Tensor]:
        """See `Reader.seen`: the last token of the prompt."""
        seen = self._last(reading)[:, None]  # (B, 1, d)
        return seen, torch.ones_like(seen[..., 0], dtype=torch.bool)

    def tokens(self, editor: Editor, texts: Sequence[str]) -> PromptTokens:
        """See `Reader.tokens`."""
        written = units(_written(editor, pooled_prompts(editor, texts, "last")), self.factor)
        return PromptTokens(written, torch.arange(len(written), device=written.device))

    def signs(self, editor: Editor, record: EditRecord, frozen: FrozenStates) -> Tensor:
        """See `Reader.signs`."""
        return self._last(Reading.of(frozen))

    def _last(self, reading: Reading) -> Tensor:
        """Vectors (B, d) of the last prompt tokens."""
        rows = torch.arange(len(reading.last), device=reading.last.device)
        return units(reading.base[rows, reading.last], self.factor)


def _written(editor: Editor, queries: Tensor) -> Tensor:
    """The unedited outputs (n, d) of the matrix for its inputs (n, f)."""
    return queries_scope(queries, editor.site.weight, editor.site.bias).base[:, 0]
