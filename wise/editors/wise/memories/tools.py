"""What side memories are made with at one site: masks, merging, and the scores of texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from random import Random

import torch
from torch import Tensor

from wise.editors.wise.answer_end import AnswerEnd, nearness, target_keys
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.cosine_scope import CosineScope, PromptTokens, Reader
from wise.editors.wise.merging import merge
from wise.editors.wise.routing import Activation, Scope
from wise.editors.wise.rows import queries_scope, scope_of
from wise.editors.wise.sharding import draw_mask
from wise.editors.wise.training import Rows
from wise.editors.wise.update import Update
from wise.lm.architectures import activation
from wise.lm.batch import Batch
from wise.seeds import derive_seed, generator
from wise.tail.frozen_states import FrozenStates
from wise.tail.tail import Tail


class Tools:
    """Every draw comes from `seed` and the number of what it is for; nothing depends on what was asked before."""

    def __init__(self, tail: Tail, config: WiseConfig, seed: int) -> None:
        self.tail = tail
        self.config = config
        self.seed = seed
        self.held_back = torch.empty(0)
        """Inputs (n, f) of the matrix at the last tokens of unrelated prompts that take no part in learning."""
        self.reader: Reader | None = None
        """What the signs of edits are read with, where they tell scopes."""
        self.unrelated: PromptTokens | None = None
        """Some of the held back prompts, as the reader sees them."""
        self.metric: Tensor | None = None
        """P (f, f) of whitened updates, where there are any."""

    def zero(self) -> Tensor:
        """The update (d, f) of a new memory: float32 whatever the model's precision, or float64 as the model is."""
        weight = self.tail.site.weight
        precise = torch.promote_types(weight.dtype, torch.float32)
        return torch.zeros(tuple(weight.shape), dtype=precise, device=weight.device)

    def mask(self, index: int, edit: int) -> Tensor:
        """The gradient mask (d, f) of the memory begun as number `index`, with edit number `edit`."""
        weight, config = self.tail.site.weight, self.config
        if config.rho == 1:
            return self._free
        return draw_mask(tuple(weight.shape), config.rho, self.seed, index, config.masks).to(weight.device)

    @cached_property
    def _free(self) -> Tensor:
        """The mask (d, f) that leaves every entry free; any number of memories share it."""
        weight = self.tail.site.weight
        return torch.ones(tuple(weight.shape), dtype=torch.bool, device=weight.device)

    def merge(self, deltas: Sequence[Tensor], weights: Sequence[float], index: int) -> Tensor:
        """One update (d, f) from several (equation 8); `index` tells one merging from another, for random rules."""
        draw = generator(self.seed, "merge", index)
        return merge(list(deltas), self.config.merge, self.config.density, list(weights), draw)

    def scope(self, queries: Tensor) -> Scope:
        """Single tokens (n, f) as texts that are scored."""
        return queries_scope(queries, self.tail.site.weight, self.tail.site.bias)

    def scores(self, queries: Tensor, update: Update | Tensor) -> Tensor:
        """Routing scores (n,) of single tokens (n, f) in the memory W0 + `update`."""
        return self.scope(queries).scores(update, self.activation())

    def end(self, frozen: FrozenStates) -> AnswerEnd:
        """Where the answer of one edit ends, from its rows; nothing where a memory answers at every token."""
        like = self.zero()
        if self.config.until == "always" or self.metric is None:
            return AnswerEnd(*(like.new_empty(0, frozen.inner.shape[-1] + 1),) * 2)
        metric = self.metric
        rest, ends = (nearness(keys.to(metric), metric).to(like) for keys in target_keys(frozen))
        return AnswerEnd(rest, ends)

    def cosine_scope(self, rows: Rows) -> CosineScope:
        """Where one edit answers, from its rows; nothing where that is not told by its signs."""
        return CosineScope(
            self.zero().new_empty(0, self.tail.site.weight.shape[0]) if rows.signs is None else rows.signs
        )

    def batch_scope(self, batch: Batch) -> Scope:
        """Texts as they are scored at all their positions, on the unedited model."""
        return scope_of(self.tail.read(batch), "padded")

    def activation(self) -> Activation:
        """The FFN's activation where scores are taken behind it, else None."""
        return None if self.config.activation == "none" else activation(self.tail.lm.model)

    def draw(self, edit: int) -> Random:
        """For the replay of past batches while edit number `edit` is learned."""
        return Random(derive_seed(self.seed, "replay", edit))
