"""AlphaEdit: MEMIT's update confined to the null space of preserved knowledge (arXiv 2410.02355)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from wise.editors.layout import Layout, Part
from wise.editors.locate.solve import null_space, null_space_update
from wise.editors.locate.value import ValueConfig
from wise.editors.memit import Memit
from wise.editors.own_units import OPEN, Own
from wise.editors.space import Among, Range
from wise.lm.architectures import Site
from wise.options import STRICT, AtLeastOne, NotNegative, Positive


@dataclass(frozen=True, config=STRICT)
class AlphaEditConfig(ValueConfig):
    """Published for Llama-3-8B: layers 4 to 8 of 32, Adam at 0.1, decay 0.5, clamp 0.75, ridge 1 (GPT-J: 10)."""

    lr: Annotated[Positive, Own(0.5, "output", 0.1), Range(0.05, 2.0)] = OPEN
    weight_decay: Annotated[NotNegative, Own(0.001, "one", 0.5), Range(1e-4, 1.0)] = OPEN
    clamp: Annotated[Positive, Own(4.0, "one", 0.75), Range(0.5, 8.0)] = OPEN
    layers: Annotated[AtLeastOne, Among((1, 2, 3))] = 1
    """How many layers are edited, the last at the editor's own layer."""
    null_threshold: Annotated[Positive, Own(0.3, "eigenvalue", 0.02), Range(0.03, 3.0)] = OPEN
    """Directions belong to the null space where the second moment of the inputs has an eigenvalue below it."""
    ridge: Annotated[Positive, Own(0.01, "power", 1.0), Range(1e-4, 1.0)] = OPEN
    """Factor of the L2 term that keeps updates small."""


class AlphaEdit(Memit):
    """As MEMIT, one call an edit, but keys are projected so that what training texts use stays as it is.

    Keys of former edits are kept, projected, and weigh in every later update, so that it leaves them alone too.
    """

    name = "alphaedit"
    remedy = "Raise 'null_threshold', lower 'ridge', edit another layer, or set token: prompt_last."
    Config = AlphaEditConfig
    solving = 8  # eigenvectors take more than a factor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._past: list[Tensor] = []  # P K_p (f, p) of each edited layer

    def _update(self, site: Site, keys: Tensor, residuals: Tensor) -> Tensor:
        past = self._past[site.layer - self.site.layer] if self._past else keys[:, :0]
        return null_space_update(past, self._projected(site, keys), residuals, self.config.ridge)

    def _remember(self, keys: Sequence[Tensor]) -> None:
        new = [self._projected(site, part) for site, part in zip(self.sites, keys, strict=True)]
        past = self._past or [part[:, :0] for part in new]
        self._past = [torch.cat(pair, 1) for pair in zip(past, new, strict=True)]

    def _projected(self, site: Site, keys: Tensor) -> Tensor:
        """P K (f, n) with P = U U^T."""
        basis = self._once(site.layer, partial(null_space, threshold=self.config.null_threshold))  # (f, m)
        return basis @ (basis.T @ keys)  # (f, m) x ((m, f) x (f, n))

    def _forget(self) -> None:
        super()._forget()
        self._past = []

    def memory(self) -> dict[str, Tensor]:
        past = {f"past.{site.layer}": keys for site, keys in zip(self.sites, self._past, strict=False)}
        return super().memory() | past

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        past = {f"past.{site.layer}": Part("f p", "double", optional=not edits) for site in self.sites}
        return {**super().layout(edits), **past}

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        super()._take_memory(memory)
        names = [f"past.{site.layer}" for site in self.sites]
        self._past = [memory[name] for name in names if name in memory]
