"""How WISE learns: scales, rows and masks of an edit, and where its result is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor

from wise.editors.base import Editor, EditOutcome
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise import rows as rowing
from wise.editors.wise.blocks import Blocks
from wise.editors.wise.replay import BatchReplay, History, query_replay, sampled
from wise.editors.wise.routing import Activation, Calibration, Margins, Scope, training_span
from wise.editors.wise.sharding import draw_mask
from wise.editors.wise.training import Replay, Rows, SideMemory, Step, train
from wise.editors.wise.turns import Memory, Turns, joined
from wise.errors import ConfigError
from wise.lm import architectures
from wise.lm.batch import Batch, encode_prompts
from wise.records import EditRecord
from wise.seeds import derive_seed, generator


class Learning(Editor):
    """The half of WISE that writes: `Wise` adds the half that answers."""

    _memory: Turns | Blocks
    _calibration: Calibration | None = None
    _history: History
    _side_memory: type[SideMemory] = SideMemory
    watch: Callable[..., Any] | None = None
    retrieve: bool

    def learns_from_records(self) -> bool:
        """See `Editor.learns_from_records`: the model's own scales, where options are relative."""
        return self.config.units != "absolute" or self.config.irrelevant > 0

    def prepare(self, records: Sequence[EditRecord]) -> None:
        """Measure the model's own scales on the irrelevant texts of training records, where options are relative.

        Raises `ConfigError` when none of them has one.
        """
        if not self.learns_from_records():
            return
        texts = [record.irrelevant for record in records if record.irrelevant.strip()]
        if not texts:
            raise ConfigError(
                f"{self.name}: margins need training records with an 'irrelevant' text; none of them has one"
            )
        self._calibration = Calibration.measure(pooled_prompts(self, texts, "last"), self.site.weight)

    def measured(self) -> dict[str, float]:
        """The units of the margins and of the learning rate, see `Calibration`."""
        if self._calibration is None:
            return {}
        return {"output_norm": self._calibration.output_norm, "input_power": self._calibration.input_power}

    def activation(self) -> Activation:
        """The FFN's activation, where the routing score is taken behind it."""
        if self.config.activation == "none":
            return None
        return architectures.activation(self.lm.model)

    def _learn(self, record: EditRecord) -> EditOutcome:
        return self._learn_rows(self._rows(record), record)

    def _learn_rows(self, rows: Rows, record: EditRecord) -> EditOutcome:
        """Train the memory whose turn it is, then keep the result; nothing is kept when training fails."""
        query = rows.frozen.query()[:1]
        if isinstance(self._memory, Blocks):
            memory = self._memory.opened(self._draw_mask)
            history = self._history.added(rows.frozen.batch)
            replay = self._batch_replay(history) if self._replays(memory) else None
            side = self._side_memory(self.tail, rows, memory.side, self._step(memory.mask))
            outcome, score = train(side, record, replay, self.watch)
            self._memory = memory.learned(side.change().detach(), score.item(), self._merge_weighted)
            history = history if replay is None else replay.after()
            self._history = history.merged() if self._memory.merges > memory.merges else history
        else:
            index = self._memory.next()
            memory = self._memory.opened(index, self._draw_mask, self._empty())
            shard = memory.shards[index]
            replay = self._query_replay(memory, index) if self.config.replay else None
            side = self._side_memory(self.tail, rows, shard.delta, self._step(memory.masks[index]))
            outcome, score = train(side, record, replay, self.watch)
            learned = shard.learned(side.change().detach(), query, score, len(self.edits))
            self._memory = memory.learned(index, learned, self._merge_equally)
        self._serving = None
        return outcome

    def _step(self, mask: Tensor) -> Step:
        """Rate and margins in the units of this model."""
        config = self.config
        unit, lr = 1.0, config.lr
        if config.units == "relative":
            calibration = self._calibrated()
            unit, lr = calibration.output_norm, config.lr / (config.rho * calibration.input_power)
        return Step(lr, mask, self._margins(unit), self.activation(), config)

    def _margins(self, unit: float) -> Margins:
        return Margins(self.config.alpha * unit, self.config.beta * unit, self.config.gamma * unit)

    def _calibrated(self) -> Calibration:
        if self._calibration is None:
            raise ConfigError(f"{self.name}: call prepare(train_records) before the first edit, margins depend on it")
        return self._calibration

    # Rows

    def _rows(self, record: EditRecord) -> Rows:
        """The edit's rows with what is outside of its scope."""
        config = self.config
        if config.positions == "padded":
            if not record.irrelevant.strip():
                raise ConfigError(f"edit '{record.id}': positions 'padded' need the record's own 'irrelevant' text")
            prompts = self.augmented(record, config.context_prefixes)
            return rowing.padded_rows(self.tail, self.lm, prompts, record.target, record.irrelevant)
        frozen = self.rows(record, config.context_prefixes)
        span = training_span(frozen.batch, config.positions)
        return Rows(frozen, span, self._outside(record))

    def _outside(self, record: EditRecord) -> Scope:
        """Texts outside the scope of this edit: the record's own and some of the measured ones."""
        config, own = self.config, record.irrelevant.strip()
        if config.positions in ("prompt", "tokens") and own:
            frozen = self.frozen(encode_prompts(self.lm, [record.irrelevant]))
            return rowing.scope_of(frozen, config.positions)
        measured = self._sampled_measured() if config.irrelevant else self.site.weight.new_empty(0, 0)
        if not own and not len(measured):
            raise ConfigError(f"edit '{record.id}': without an 'irrelevant' text the router cannot learn")
        queries = [pooled_prompts(self, [record.irrelevant], "last")] if own else []
        return self._query_scope(torch.cat([*queries, measured] if len(measured) else queries))

    def _sampled_measured(self) -> Tensor:
        calibration = self._calibrated()
        draw = generator(self.seed, "irrelevant", len(self.edits))
        chosen = torch.randperm(len(calibration.queries), generator=draw)[: self.config.irrelevant]
        return calibration.queries[chosen.to(calibration.queries.device)]

    def _query_scope(self, queries: Tensor) -> Scope:
        return rowing.queries_scope(queries, self.site.weight, self.site.bias)

    # Masks, replay

    def _draw_mask(self, index: int) -> Tensor:
        """The gradient mask of the shard begun as number `index`."""
        shape = tuple(self.site.weight.shape)
        mask = draw_mask(shape, self.config.rho, self.seed, index, self.config.masks)
        return mask.to(self.site.weight.device)

    def _empty(self) -> Memory:
        """A memory without edits; updates are float32 whatever the model's precision, or float64 as the model is."""
        weight = self.site.weight
        precise = torch.promote_types(weight.dtype, torch.float32)
        return Memory(
            torch.zeros(tuple(weight.shape), dtype=precise, device=weight.device),
            weight.new_empty(0, weight.shape[1]),
            torch.empty(0, dtype=precise, device=weight.device),
            torch.empty(0, dtype=torch.long, device=weight.device),
        )

    def _replays(self, memory: Blocks) -> bool:
        return self.config.replay and memory.retrieve and memory.merges > 0

    def _batch_replay(self, history: History) -> BatchReplay:
        return BatchReplay(history, self._batch_scope, self._replay_draw(), self.activation())

    def _replay_draw(self) -> Random:
        return Random(derive_seed(self.seed, "replay", len(self.edits)))

    def _batch_scope(self, batch: Batch) -> Scope:
        with self.unedited():
            return rowing.scope_of(self.tail.read(batch), "padded")

    def _query_replay(self, memory: Turns, index: int) -> Replay:
        """Past edits of this shard and of all other memories, sampled anew for every edit."""
        unit = self._calibrated().output_norm if self.config.units == "relative" else 1.0
        past = memory.shards[index].queries
        others = [m.queries for m in memory.memories() if m is not memory.shards[index]]
        scopes = []
        for name, queries in (("own", past), ("others", torch.cat(others) if others else past[:0])):
            chosen = sampled(queries, self.config.replayed, self.seed, "replay", name, len(self.edits))
            scopes.append(self._query_scope(chosen) if len(chosen) else None)
        return query_replay(*scopes, self._margins(unit), self.config.routing_weight)

    # State

    def _turns_answering(self) -> tuple[Memory, ...]:
        """All memories, or for the merge variant the one that they make."""
        memories = self._memory.memories()
        return memories if self.retrieve or not memories else (joined(memories, self._merge_equally, 0),)

    def _forget(self) -> None:
        config, self._serving, self._history = self.config, None, History()
        if config.order == "sequential":
            every = config.group // config.shards
            self._memory = Blocks(self.retrieve, every, config.group, config.merge_weight, self._empty().delta)
        else:
            self._memory = Turns(config.shards, config.group if self.retrieve else 0)

    def memory(self) -> dict[str, Tensor]:
        state = self._memory.state()
        if isinstance(self._memory, Blocks) and self.config.replay:
            state |= self._history.state()
        if self._calibration is not None:
            state["calibration.queries"] = self._calibration.queries
        return state

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        self._memory, self._serving = self._memory.restored(memory), None
        if isinstance(self._memory, Blocks) and self.config.replay:
            self._history = History.restored(memory)
        if "calibration.queries" in memory:
            self._calibration = Calibration.measure(memory["calibration.queries"], self.site.weight)
