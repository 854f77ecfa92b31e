"""Editors whose memory is another value of one matrix."""

from __future__ import annotations

from torch import Tensor, nn

from wise.editors.base import Editor
from wise.editors.decision import Routing
from wise.editors.layout import Layout, Part


class WeightEditor(Editor):
    """An editor whose memory is another value of the site's matrix."""

    in_weights = True
    _weight: Tensor | None = None
    _original: nn.Parameter | None = None

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`: the edited matrix at every position."""
        if self._weight is None:
            return base
        return nn.functional.linear(inner, self._weight.to(inner.dtype), self.site.bias)  # (B, L, f) x (f, d)

    def _attach(self) -> None:
        if self._weight is not None:
            if self._original is None:
                self._original = self.site.own
            self.site.module.weight = self.site.parameter(self._weight)

    def _detach(self) -> None:
        if self._original is not None:
            self.site.module.weight = self.site.restored(self._original)
            self._original = None

    def _forget(self) -> None:
        self._weight = None

    def memory(self) -> dict[str, Tensor]:
        return {} if self._weight is None else {"weight": self._weight}

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        return {"weight": Part("d f", optional=not edits)}

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        self._weight = memory.get("weight")
