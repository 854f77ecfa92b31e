"""ROME: a rank-one update that maps one key to the value of the new fact (arXiv 2202.05262)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic.dataclasses import dataclass

from wise.editors.base import EditOutcome
from wise.editors.locate.editor import LocateEditor
from wise.editors.locate.solve import rank_one_update
from wise.editors.locate.value import ValueConfig
from wise.editors.space import Among
from wise.options import STRICT
from wise.records import EditRecord


@dataclass(frozen=True, config=STRICT)
class RomeConfig(ValueConfig):
    """Published for Llama-2 and Mistral: layer 5 of 32, 25 steps, weight decay 1e-3; for GPT-J 20 steps and 0.5."""

    covariance: Annotated[bool, Among((False, True))] = False
    """Whiten the key with the second moment of the matrix's inputs, as ROME's paper does; the comparison in the paper
    of WISE was run without."""


class Rome(LocateEditor):
    """W <- W + (v* - W x0) u^T / (x0 . u), u along C^-1 k or k; k is the mean key over the augmented prompts.

    x0 is the key of the plain prompt, which is thus mapped to v* exactly. Each update reaches every text whose
    input is not orthogonal to u, and nothing bounds their sum: the reason why former edits and unrelated answers are
    lost over a stream.
    """

    name = "rome"
    remedy = "Edit another layer, or set token: prompt_last."
    Config = RomeConfig
    in_stream = False

    @classmethod
    def layers(cls, config: Any) -> int:
        """See `Editor.layers`."""
        return 1

    @classmethod
    def uses_moments(cls, config: Any) -> bool:
        """Only where keys are whitened."""
        return config.covariance

    def _learn(self, record: EditRecord) -> EditOutcome:
        request = self.request(record)
        frozen = self.read(request)
        value = self.value(request, frozen)
        keys = request.keys(frozen.inner)  # (prompts, f)
        chol = self._factor(self.layer) if self.uses_moments(self.config) else None
        residual = value.vector - self.current(request, frozen)
        update = rank_one_update(keys.double().mean(0), keys[0], residual, chol)
        self._weights = [self._added(self.site.weight, update, request)]
        return EditOutcome(value.iterations, value.loss)
