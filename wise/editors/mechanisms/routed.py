"""Editors that decide which memory answers, and reach the running model by hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary

from torch import Tensor, nn
from transformers import Cache

from wise.editors.base import Editor
from wise.editors.copies import NotPickled
from wise.editors.decision import Reading, Routing
from wise.editors.mechanisms.model_methods import Replaced, beside_the_model, refuse_packing
from wise.errors import ConfigError, EditError
from wise.lm.forward_calls import Call, chunk_size, prompt_length, reading_call


class RoutedEditor(NotPickled, Editor):
    """An editor that decides, sequence by sequence, which memory answers.

    With policy "prefill" the decision falls on the prompt, when it is first read, and holds for the whole
    answer: it belongs to the KV cache that the reading filled, and steps without a cache find it again on the
    prompt. It never depends on what else is in the batch, nor on padding. With policy "per_step" every
    forward call decides anew from the tokens that it is given, as the released WISE does.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hooks: list[Any] = []
        self._methods: Replaced | None = None
        self._generation: _Generation | None = None  # while generate() runs
        self._call: Call | None = None
        self._early: Tensor | None = None  # states of the call that runs, where the tail keeps them
        self._routing: Routing | None = None  # of the call that runs
        self._decisions: WeakKeyDictionary[Cache, Routing | None] = WeakKeyDictionary()

    def _attach(self) -> None:
        if self._hooks:
            self._decisions.clear()  # the memory has changed since they were made
            return
        model, backbone = self.lm.model, self.site.backbone
        self._hooks = [
            backbone.register_forward_pre_hook(self._before_model, with_kwargs=True),
            self.site.module.register_forward_hook(self._at_site),
            backbone.register_forward_hook(self._after_model),
        ]
        if self.tail.early is not None:
            self._hooks.append(self.tail.early.block.register_forward_hook(self._at_early))
        edited = {"generate": partial(self._generate, model.generate)}
        self._methods = Replaced(model, edited | beside_the_model(self.name, model))

    def _detach(self) -> None:
        for hook in self._hooks:
            hook.remove()
        if self._methods is not None:
            self._methods.give_back()
        self._hooks, self._methods = [], None
        self._routing = self._call = self._early = None
        if not self._aside:  # an editor that only steps aside goes on with what it has decided
            self._decisions.clear()

    def _generate(self, generate: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """`model.generate` of the edited model, through the model's own `generate`."""
        with self._generating(args, kwargs):  # not compiled, as static caches ask for: hooks are no part of a graph
            return generate(*args, **{"disable_compile": True, **kwargs})

    @contextmanager
    def _generating(self, args: tuple, kwargs: dict[str, Any]) -> Iterator[None]:
        """Know inside `model.generate` where the prompt ends, even when every step reads the whole text.

        May be nested: a model that drafts for itself calls its own `generate`.
        """
        if self.policy == "prefill" and chunk_size(self.lm.model, args, kwargs) is not None:
            raise ConfigError(
                f"{self.name}: with routing 'prefill' the memory is chosen at the end of the prompt, so the prompt "
                "has to be read at once; leave out prefill_chunk_size"
            )
        outer, self._generation = self._generation, _Generation(prompt_length(args, kwargs))
        try:
            yield
        finally:
            self._generation = outer

    def _before_model(self, _module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        """Find the tokens that this call may decide on; none when it only continues an answer."""
        if kwargs.get("cu_seq_lens_q") is not None:  # several texts in one row
            refuse_packing(self.name)
        call, generation = reading_call(args, kwargs), self._generation
        if generation is not None and generation.end is None:
            call = call.starting()
            generation.end = call.cached + min(call.length, generation.prompt or call.length)
        if self.policy == "per_step":
            call = call.starting()
        elif generation is not None and generation.end is not None:
            call = call.up_to(generation.end)
        self._call, self._routing = call, None

    def _at_early(self, _module: nn.Module, _args: tuple, output: Any) -> None:
        self._early = output[0] if isinstance(output, tuple) else output

    def _at_site(self, _module: nn.Module, args: tuple, base: Tensor) -> Tensor:
        """Replace the matrix's output by the chosen memory's, shapes as they come: (B, L, d) or (B * L, d)."""
        call = cast(Call, self._call)  # the model's own hook ran before
        shape = call.real.shape
        inner, before = args[0].view(*shape, -1), base.view(*shape, -1)
        if call.decides:
            early, self._early = None if self._early is None else self._early.to(inner.device), None
            self._routing = self.decide(Reading(inner, before, call.real, call.last, call.last, early))
        else:
            self._routing = self._decision_of(call)
        return self.output(inner, before, self._routing, call.last if call.decides else None).view_as(base)

    def _decision_of(self, call: Call) -> Routing | None:
        """The decision made when the prompt before this continuation was read."""
        if call.cache is None or call.cache not in self._decisions:
            raise EditError(
                f"{self.name}: no memory was chosen for the text in this cache (an edit was made since, or the cache "
                "is a copy, or not from this edited model); start from the prompt, or continue in model.generate()"
            )
        routing = self._decisions[call.cache]
        if routing is not None and len(routing.choice) != len(call.real):
            raise EditError(
                f"{self.name}: {len(routing.choice)} sequences were routed, {len(call.real)} are continued; "
                "start from the prompts, or generate through model.generate()"
            )
        return routing

    def _after_model(self, _module: nn.Module, _args: tuple, output: Any) -> None:
        """Keep the decision with the cache that the call has filled."""
        parts = output.values() if hasattr(output, "values") else output
        cache = next((part for part in parts if isinstance(part, Cache)), None)
        if cache is not None and self._call is not None and self._call.decides:
            self._decisions[cache] = self._routing


@dataclass
class _Generation:
    """One `model.generate`: the length of the `prompt` that it was given, where it ends (None: not read yet)."""

    prompt: int | None
    end: int | None = None
