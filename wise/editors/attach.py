"""How an editor's memory reaches a running model: a replaced weight, or a routed hook."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wise.editors.base import Editor, Routing


class WeightEditor(Editor):
    """An editor whose memory is another value of the site's matrix."""

    _weight: Tensor | None = None
    _original: nn.Parameter | None = None

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`: the edited matrix at every position."""
        if self._weight is None:
            return base
        return nn.functional.linear(inner, self._weight, self.site.module.bias)  # (B, L, f) x (f, d)

    def _attach(self) -> None:
        if self._weight is not None:
            if self._original is None:
                self._original = self.site.module.weight
            self.site.module.weight = nn.Parameter(self._weight, requires_grad=False)

    def _detach(self) -> None:
        if self._original is not None:
            self.site.module.weight = self._original
            self._original = None

    def _forget(self) -> None:
        self._weight = None

    def _state(self) -> dict[str, Tensor]:
        return {} if self._weight is None else {"weight": self._weight}

    def _load_state(self, state: dict[str, Tensor]) -> None:
        self._weight = state.get("weight")


class RoutedEditor(Editor):
    """An editor that decides, once per sequence, which memory answers.

    The decision falls on the prompt, when it is first read, and holds for the whole answer: the steps
    of a generation with a KV cache reuse it, and so do those without one. It never depends on what
    else is in the batch, nor on padding.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hooks: list[Any] = []
        self._last: Tensor | None = None  # (B,) last prompt token of the running call, None behind the prompt
        self._routing: Routing | None = None
        self._prompt_length: int | None = None  # padded prompt length while generate() runs

    def _attach(self) -> None:
        if self._hooks:
            return
        model = self.lm.model
        self._hooks = [
            model.base_model.register_forward_pre_hook(self._before_model, with_kwargs=True),
            self.site.module.register_forward_hook(self._at_site),
        ]
        generate = model.generate
        model.generate = lambda *args, **kwargs: self._generate(generate, *args, **kwargs)

    def _detach(self) -> None:
        for hook in self._hooks:
            hook.remove()
        if self._hooks:
            del self.lm.model.generate  # the class's own method shows again
        self._hooks = []
        self._routing = None

    def _generate(self, generate: Any, *args: Any, **kwargs: Any) -> Any:
        """`model.generate`, knowing where the prompt ends even when every step reads the whole text."""
        prompt = args[0] if args else kwargs.get("inputs", kwargs.get("input_ids"))
        self._prompt_length = None if prompt is None else prompt.shape[1]
        try:
            return generate(*args, **kwargs)
        finally:
            self._prompt_length = None

    def _before_model(self, _module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        """Find the last prompt token of each row, or that this call only continues an answer."""
        cache = kwargs.get("past_key_values")
        if cache is not None and cache.get_seq_length() > 0:
            self._last = None
            return
        ids = args[0] if args else kwargs.get("input_ids")
        ids = kwargs["inputs_embeds"] if ids is None else ids
        length = self._prompt_length or ids.shape[1]
        mask = kwargs.get("attention_mask")
        if mask is None:
            mask = torch.ones(ids.shape[:2], device=ids.device)
        positions = torch.arange(length, device=mask.device)
        self._last = (mask[:, :length] * positions).argmax(1)  # (B,) the right-most token that is no padding

    def _at_site(self, _module: nn.Module, args: tuple, base: Tensor) -> Tensor:
        """Replace the matrix's output (B, L, d) by the chosen memory's."""
        inner = args[0]  # (B, L, f)
        if self._last is not None:
            rows = torch.arange(len(inner), device=inner.device)
            self._routing = self.decide(inner[rows, self._last])
        return self.output(inner, base, self._routing, self._last)
