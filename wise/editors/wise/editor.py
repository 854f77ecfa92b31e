"""WISE-Retrieve keeps its memories apart and asks the best one; WISE-Merge merges them into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wise.editors.decision import Reading, Routing
from wise.editors.mechanisms.routed import RoutedEditor
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.learning import Learning
from wise.editors.wise.merging import merge
from wise.editors.wise.routing import LONG, Scope, span_of
from wise.errors import ConfigError
from wise.lm.architectures import Site
from wise.records import EditRecord
from wise.seeds import generator


@dataclass(frozen=True)
class Served:
    """A memory that can answer: its update (d, f), its threshold, and positions of its edits in the log."""

    delta: Tensor
    threshold: Tensor
    edits: tuple[int, ...]


class Wise(Learning, RoutedEditor):
    """What both variants share: side memories that learn (`Learning`), and a router over those that answer."""

    Config = WiseConfig
    retrieve = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.policy = self.config.routing
        self._forget()

    @classmethod
    def memory_need(cls, config: WiseConfig, width: int, inner: int) -> int:
        """See `Editor.memory_need`; of each shard its update and its mask, and both again while shards are merged."""
        return 4 * (cls.matrices + 4 * config.shards) * width * inner

    # Answering

    def decide(self, reading: Reading) -> Routing | None:
        """The memory of largest score among those whose threshold it reaches, else the main memory."""
        served = self.served()
        if not served:
            return None
        scores = self._scores(reading, served)  # (B, k)
        thresholds = torch.stack([memory.threshold for memory in served]).to(scores)  # (k,)
        choice = self._choose(scores, thresholds)
        nearest = torch.where(choice > 0, choice - 1, (scores / thresholds).argmax(1))  # what came closest, if none
        return Routing(scores.gather(1, nearest[:, None])[:, 0], thresholds[nearest], choice)

    def _scores(self, reading: Reading, served: Sequence[Served]) -> Tensor:
        """Routing scores (B, k), equation 4."""
        config, rows = self.config, torch.arange(len(reading.last), device=reading.last.device)
        if config.positions == "last" or (config.positions == "answer" and config.routing == "prefill"):
            here = rows, reading.last
            scope = Scope(reading.inner[here][:, None], reading.base[here][:, None], torch.ones_like(rows)[:, None])
        else:
            scope = Scope(reading.inner, reading.base, span_of(reading, config.positions))
        longest = LONG if config.pool == "mean_or_max" else None
        return torch.stack([scope.scores(memory.delta, self.activation(), longest) for memory in served], 1)

    def _choose(self, scores: Tensor, thresholds: Tensor) -> Tensor:
        """Number of the memory (B,) that answers, from 1, or 0."""
        if self.config.order == "round_robin":
            accepted = scores >= thresholds
            best = scores.masked_fill(~accepted, -1).argmax(1)
            return torch.where(accepted.any(1), best + 1, 0)
        # As the released code compares: later memories must beat the open one even where that is not accepted.
        best, choice = scores[:, 0], (scores[:, 0] >= thresholds[0]).long()
        for index in range(1, scores.shape[1]):
            better = (scores[:, index] > best) & (scores[:, index] > thresholds[index])
            best, choice = torch.where(better, scores[:, index], best), torch.where(better, index + 1, choice)
        return choice

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`: the chosen side memory at every position of its sequences."""
        if routing is None or not routing.choice.any():
            return base
        output = base.clone()
        for index, memory in enumerate(self.served(), start=1):
            rows = (routing.choice == index).nonzero(as_tuple=True)[0]
            if len(rows):
                output[rows] += inner[rows] @ memory.delta.to(inner.dtype).T  # (b, L, f) x (f, d)
        return output

    def served(self) -> list[Served]:
        """The memories that answer, derived from what was learned once after the last edit."""
        if self._serving is None:
            self._serving = self._block_memories() if self.config.order == "sequential" else self._turn_memories()
        return self._serving

    def holder(self, record_id: str) -> int:
        """Number of the memory that holds an edit, from 1; 0 where none does. For retrieval by an oracle."""
        position = next((i for i, record in enumerate(self.edits) if record.id == record_id), None)
        holders = (number for number, memory in enumerate(self.served(), start=1) if position in memory.edits)
        return next(holders, 0)

    def extra_parameters(self) -> int:
        """The memories that answer: one matrix each."""
        return sum(memory.delta.numel() for memory in self.served())

    def _turn_memories(self) -> list[Served]:
        """eps = act_ratio * smallest score over the edits of the memory (section 2.3.1).

        Less a hair, so that rounding in a batch of another shape cannot shut out the edit that set it.
        """
        served = []
        for memory in self._turns_answering():
            if self.config.threshold == "current":
                scores = self._query_scope(memory.queries).scores(memory.delta, self.activation())
            else:
                scores = memory.scores
            threshold = self.config.act_ratio * (1 - 1e-5) * scores.min()
            served.append(Served(memory.delta, threshold, tuple(memory.edits.tolist())))
        return served

    def _block_memories(self) -> list[Served]:
        if not self.edits:
            return []
        finished = self._memory.finished(self._merge_weighted)
        least = [(memory, self.config.act_ratio * memory.least) for memory in finished.answering()]
        return [Served(m.delta, torch.tensor(eps, dtype=torch.float64), m.edits) for m, eps in least]

    # Merging

    def _merge_equally(self, deltas: Sequence[Tensor], index: int) -> Tensor:
        """Equation 8, every shard with the same weight."""
        return self._merge_weighted(deltas, [self.config.merge_weight / len(deltas)] * len(deltas), index)

    def _merge_weighted(self, deltas: Sequence[Tensor], weights: Sequence[float], index: int) -> Tensor:
        draw = generator(self.seed, "merge", index)
        return merge(list(deltas), self.config.merge, self.config.density, list(weights), draw)

    # Undoing

    def _undo_shard(self) -> list[EditRecord]:
        """Remove the memory that was begun last, with the edits that it holds; returns them.

        Raises `ConfigError` when nothing is left to undo, and for shards that fill one after the other.
        """
        if not self.edits:
            raise ConfigError(f"{self.name}: there are no edits to undo")
        if self.config.order == "sequential":
            raise ConfigError(f"{self.name}: with order 'sequential' only all edits can be undone")
        self._memory, gone = self._memory.without_last()
        lost = [self.edits[i] for i in gone]
        self.edits[:] = [record for i, record in enumerate(self.edits) if i not in set(gone)]
        self._serving = None
        if self.edits:
            self._attach()  # decisions made before are forgotten
        else:
            self._detach()
        return lost

    def merged(self) -> dict[Site, nn.Parameter]:
        """See `Editor.merged`: W0 + update, in the wider of the two precisions."""
        holding = [memory for memory in self.served() if memory.delta.count_nonzero()]
        if len(holding) != 1:
            raise ConfigError(
                f"{self.name}: {len(holding)} memories answer; one matrix can only take the place of exactly one "
                "(use wise-merge, or shards: 1)"
            )
        with self.unedited():
            return {self.site: self.site.parameter(self.site.weight.detach() + holding[0].delta)}


class WiseRetrieve(Wise):
    """Every shard is a memory of its own, or every merged group of them; the one of largest score answers."""

    name = "wise-retrieve"


class WiseMerge(Wise):
    """The shards merged into one memory (equation 8): constant cost at inference for any k."""

    name = "wise-merge"
    retrieve = False
