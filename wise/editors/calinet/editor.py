"""CaliNet as an editor: one pool of edits is calibrated together, in slots that only add to the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from wise.editors.calinet.config import CaliNetConfig
from wise.editors.calinet.slots import Slots, SlotsDescent
from wise.editors.decision import Routing
from wise.editors.layout import Layout, Part
from wise.editors.mechanisms.epochs import EpochsEditor
from wise.lm.architectures import activation, feed_forward
from wise.lm.load import LanguageModel
from wise.seeds import generator
from wise.tail.frozen_states import FrozenStates
from wise.tail.tail import Tail


class CaliNet(EpochsEditor):
    """FFN(x) + V act(K x) at every token of every text, with slots that only the edits have trained.

    The states of texts are read at the FFN's input, (B, L, d), in the place of the down-projection's. Nothing holds
    other answers: the loss is that of the edits alone, as published.
    """

    name = "calinet"
    remedy = "Raise 'lr' or 'epochs'."
    Config = CaliNetConfig
    depth = (11, 12)
    _slots: Slots | None = None
    _seen: Tensor | None = None

    def __init__(self, lm: LanguageModel, config: Any, layer: int, contexts: Sequence[str] = (), seed: int = 0) -> None:
        super().__init__(lm, config, layer, contexts, seed)
        self.site = feed_forward(self.site)
        self.sites = [self.site]
        self.tail = Tail(lm, self.site)
        pooled = self.config.sequential == "pooled"
        self.batch_editing = self.retrains_from_scratch = pooled
        self._hooks: list[RemovableHandle] = []

    @classmethod
    def memory_need(cls, config: Any, width: int, inner: int) -> int:
        """See `Editor.memory_need`: slots, their gradients and Adam's moments."""
        return 4 * 4 * 3 * config.slots * width

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`; `inner` (B, L, d) is the FFN's input."""
        return base if self._slots is None else base + self._slots(inner).to(base.dtype)

    def extra_parameters(self) -> int:
        """Keys, values and gates of all slots."""
        return sum(tensor.numel() for tensor in self.memory().values())

    def memory(self) -> dict[str, Tensor]:
        return {} if self._slots is None else self._slots.tensors()

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        gate = {"gate": Part("c d", optional=not edits)} if self.site.family.gated else {}
        return {"key": Part("c d", optional=not edits), "value": Part("d c", optional=not edits), **gate}

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        self._slots = self._fresh(1).with_tensors(memory) if memory else None

    def _outside(self) -> int:
        return len(self.edits) if self.config.sequential == "continue" else 0

    def _learner(self, edits: int) -> SlotsDescent:
        config: CaliNetConfig = self.config
        count = max(config.slots, -int(-config.slots_per_edit * edits // 1))
        started = self._slots if config.sequential == "continue" else None
        return SlotsDescent(started or self._fresh(count), config.lr)

    def _trial(self, learner: SlotsDescent, frozen: FrozenStates) -> Tensor:
        return frozen.output + learner.slots(frozen.inner).to(frozen.output.dtype)

    def _keep(self, learner: SlotsDescent) -> None:
        self._slots = learner.result()

    def _fresh(self, count: int) -> Slots:
        """Untrained slots, the same for the same seed; in float32 at least, since steps are small."""
        weight, draw = self.site.weight, generator(self.seed, "calinet")
        slots = Slots.drawn(
            count, len(weight), self.site.family.gated, activation(self.lm.model), self.config.init, draw
        )
        like = torch.promote_types(weight.dtype, torch.float32)
        return slots.with_tensors({name: each.to(weight.device, like) for name, each in slots.tensors().items()})

    def _attach(self) -> None:
        if not self._hooks:
            self._hooks = [
                self.site.entry.register_forward_pre_hook(self._at_entry),
                self.site.module.register_forward_hook(self._at_end),
            ]

    def _detach(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._seen = [], None

    def _forget(self) -> None:
        super()._forget()
        self._slots = None

    def _at_entry(self, _module: nn.Module, args: tuple) -> None:
        self._seen = args[0]

    def _at_end(self, _module: nn.Module, _args: tuple, base: Tensor) -> Tensor:
        """Add what the slots make of the FFN's input, shapes as they come: (B, L, d) or (B * L, d)."""
        entering, self._seen = cast(Tensor, self._seen), None  # the FFN begins before it ends
        return self.output(entering, base, None, None)
