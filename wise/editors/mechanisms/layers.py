"""Editors that replace the down-projections of several consecutive layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from wise.editors.base import Editor
from wise.editors.decision import Routing
from wise.editors.layout import Layout, Part
from wise.errors import ConfigError
from wise.lm.architectures import find_site
from wise.lm.load import LanguageModel
from wise.tail.tail import Tail


class MatricesEditor(Editor):
    """An editor whose memory is another value of the matrices of `layers` layers, the last of them at `layer`.

    `sites` and `tails` go from the lowest layer to the highest. `site` and `tail` are the lowest: what lies in
    front of it is the same before and after every edit, and the tail runs the layers behind it as they are in the
    model, with their edited matrices while the editor is attached.
    """

    in_weights = True

    def __init__(self, lm: LanguageModel, config: Any, layer: int, contexts: Sequence[str] = (), seed: int = 0) -> None:
        top, count = find_site(lm.model, layer), self.layers(config)
        if not 1 <= count <= layer + 1:
            raise ConfigError(f"layers is {count}: from 1 to {layer + 1} layers end at layer {layer}")
        if count > 1 and top.behind is not None:
            raise ConfigError(
                f"layers is {count}: in a '{lm.model.config.model_type}' a norm stands between the matrix and the "
                "residual stream, so that what several layers write does not add up; choose layers 1"
            )
        super().__init__(lm, config, layer - count + 1, contexts, seed)
        self.layer = layer
        self.sites = [self.site, *(find_site(lm.model, higher) for higher in range(layer - count + 2, layer + 1))]
        self.tails = [self.tail, *(Tail(lm, site) for site in self.sites[1:])]
        self._weights: list[Tensor] = []
        self._originals: list[nn.Parameter] = []

    @classmethod
    def layers(cls, config: Any) -> int:
        """See `Editor.layers`."""
        return config.layers

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`: the edited matrix of the lowest layer at every position."""
        if not self._weights:
            return base
        return nn.functional.linear(inner, self._weights[0].to(inner.dtype), self.site.bias)  # (B, L, f) x (f, d)

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Matrices may be replaced inside the block; behind it the model is as it was."""
        before = [site.own for site in self.sites]
        try:
            yield
        finally:
            self._put(before)

    def _put(self, parameters: Sequence[nn.Parameter]) -> None:
        for site, parameter in zip(self.sites, parameters, strict=True):
            site.module.weight = parameter

    def _attach(self) -> None:
        if self._weights:
            if not self._originals:
                self._originals = [site.own for site in self.sites]
            self._put([site.parameter(weight) for site, weight in zip(self.sites, self._weights, strict=True)])

    def _detach(self) -> None:
        if self._originals:
            self._put([site.restored(kept) for site, kept in zip(self.sites, self._originals, strict=True)])
            self._originals = []

    def _forget(self) -> None:
        self._weights = []

    def memory(self) -> dict[str, Tensor]:
        return {f"weight.{site.layer}": weight for site, weight in zip(self.sites, self._weights, strict=False)}

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        return {f"weight.{site.layer}": Part("d f", optional=not edits) for site in self.sites}

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        names = [f"weight.{site.layer}" for site in self.sites]
        self._weights = [memory[name] for name in names if name in memory]
