"""MEMIT: least-squares updates of several layers for one or many edits at once (arXiv 2210.07229)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from wise.editors.base import EditOutcome, Report
from wise.editors.locate.editor import LocateEditor
from wise.editors.locate.request import Request
from wise.editors.locate.solve import memit_update
from wise.editors.locate.value import Value, ValueConfig
from wise.editors.mechanisms.joint import JointEditor
from wise.editors.own_units import OPEN, Own
from wise.editors.space import Among, Range
from wise.lm.architectures import Site
from wise.options import STRICT, AtLeastOne, Positive
from wise.records import EditRecord


@dataclass(frozen=True, config=STRICT)
class MemitConfig(ValueConfig):
    """Published for Llama-2 and Mistral: layers 4 to 8 of 32, weight 15000; for GPT-J 3 to 8, clamp 0.75, decay 0.5."""

    layers: Annotated[AtLeastOne, Among((1, 2, 3))] = 1
    """How many layers are edited, the last at the editor's own layer."""
    mom2_weight: Annotated[Positive, Own(0.05, "features", 15000.0), Range(0.001, 2.0)] = OPEN
    """Weight lambda of the training texts' keys against those of the edits."""


class Memit(LocateEditor):
    """MEMIT, one call an edit, on the model that the edits before have left.

    The value z is a state of the residual stream behind the highest layer L. From the lowest layer up, each takes
    its share of what is still missing: Delta_l = R_l K_l^T (lambda C_l + K_l K_l^T)^-1 with R_l = (z - h_L) / (layers
    left), keys and h_L read anew on the model edited so far (MEMIT, algorithm 1).
    """

    name = "memit"
    remedy = "Lower 'mom2_weight', edit another layer, or set token: prompt_last."
    Config = MemitConfig

    def _learn(self, record: EditRecord) -> EditOutcome:
        request = self.request(record)
        value = self.value(request, self.read(request))
        self._write([request], [value])
        return EditOutcome(value.iterations, value.loss)

    def _write(self, requests: Sequence[Request], values: Sequence[Value]) -> None:
        """Edit the matrices in one call on the model as it stands."""
        self._weights, keys = self._solve(requests, values)
        self._remember(keys)

    def _solve(self, requests: Sequence[Request], values: Sequence[Value]) -> tuple[list[Tensor], list[Tensor]]:
        """The edited matrices (d, f) and the keys K (f, n) that they were solved for, lowest layer first."""
        wanted = torch.stack([value.vector for value in values], 1).double()  # (d, n)
        weights: list[Tensor] = []
        solved: list[Tensor] = []
        with self.trial():
            for number, site in enumerate(self.sites):
                keys, current = self._keys_and_values(number, requests)
                residuals = (wanted - current) / (len(self.sites) - number)  # (d, n)
                weights.append(self._added(site.weight, self._update(site, keys, residuals), requests[-1]))
                site.module.weight = site.parameter(weights[-1])
                solved.append(keys)
        return weights, solved

    def _keys_and_values(self, number: int, requests: Sequence[Request]) -> tuple[Tensor, Tensor]:
        """K (f, n) of one layer, means over the augmented prompts, and h_L (d, n), on the model as it stands."""
        keys, values = [], []
        for request in requests:
            top = self.read(request)
            frozen = top if number == len(self.sites) - 1 else self.tails[number].read(request.batch)
            keys.append(request.keys(frozen.inner).double().mean(0))
            values.append(self.current(request, top).double())
        return torch.stack(keys, 1), torch.stack(values, 1)

    def _update(self, site: Site, keys: Tensor, residuals: Tensor) -> Tensor:
        """Delta (d, f) of one layer for its keys (f, n) and residuals (d, n)."""
        return memit_update(keys, residuals, self._factor(site.layer), self.config.mom2_weight)

    def _remember(self, keys: Sequence[Tensor]) -> None:
        """What later calls have to know of this one's keys, (f, n) of each layer: nothing."""


class MemitMass(JointEditor, Memit):
    """MEMIT-MASS: all edits in a single call on the unedited model; with one edit it is MEMIT.

    A value depends on the unedited model and its own edit alone, so none is searched for twice.
    """

    name = "memit-mass"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._values: list[Value] = []  # of the edits, and of those under way as far as they were found

    def _learn_all(self, records: Sequence[EditRecord], report: Report) -> list[EditOutcome]:
        with self.unedited():
            requests = [self.request(record, number) for number, record in enumerate(records)]
            for request in requests[len(self._values) :]:
                self._values.append(self.value(request, self.read(request)))
                report(1 / (len(records) - len(self.edits)))
            self._write(requests, self._values)
        return [EditOutcome(value.iterations, value.loss) for value in self._values]

    def _work(self) -> dict[str, Tensor]:
        if not self._values:
            return {}
        return {
            "vectors": torch.stack([value.vector for value in self._values]),  # (n, d)
            "iterations": torch.tensor([value.iterations for value in self._values]),
            "losses": torch.tensor([value.loss for value in self._values], dtype=torch.float64),
        }

    def _take_work(self, work: dict[str, Tensor]) -> None:
        if work:
            parts = work["vectors"].unbind(0), work["iterations"].tolist(), work["losses"].tolist()
            self._values = [Value(*parts) for parts in zip(*parts, strict=True)]

    def _abandon(self) -> None:
        del self._values[len(self.edits) :]

    def _forget(self) -> None:
        super()._forget()
        self._values = []
