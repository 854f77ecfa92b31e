"""WISE-Retrieve keeps its shards apart and asks the best one; WISE-Merge merges them into one memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from wise.editors.attach import RoutedEditor
from wise.editors.base import EditOutcome, Routing
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.merging import merge
from wise.editors.wise.routing import Calibration, Margins, activation_score
from wise.editors.wise.sharding import draw_mask
from wise.editors.wise.training import train_shard
from wise.errors import ConfigError
from wise.records import EditRecord
from wise.seeds import generator


@dataclass(frozen=True)
class Shard:
    """One side memory: its update W'_i - W0 (d, f), its gradient mask (d, f), its edits' queries (n, f)."""

    PARTS: ClassVar = ("delta", "mask", "queries")

    delta: Tensor
    mask: Tensor
    queries: Tensor


class Wise(RoutedEditor):
    """What both variants share: k masked shards that learn, and a router over the memories that answer.

    The queries of all edits are kept, so that thresholds always belong to the memories as they are now.
    """

    Config = WiseConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._calibration: Calibration | None = None
        self._forget()

    # Learning

    def prepare(self, records: Sequence[EditRecord]) -> None:
        """Measure the model's own scales on the irrelevant texts of training records.

        Raises `ConfigError` when none of them has one.
        """
        texts = [record.irrelevant for record in records if record.irrelevant.strip()]
        if not texts:
            raise ConfigError(
                f"{self.name}: margins need training records with an 'irrelevant' text; none of them has one"
            )
        self._calibration = Calibration.measure(self.prompt_queries(texts), self.site.weight)

    def measured(self) -> dict[str, float]:
        """The units of the margins and of the learning rate, see `Calibration`."""
        if self._calibration is None:
            return {}
        return {"output_norm": self._calibration.output_norm, "input_power": self._calibration.input_power}

    def _learn(self, record: EditRecord) -> EditOutcome:
        calibration, config = self._calibrated(), self.config
        index = len(self.edits) % config.shards
        shard = self._shards[index] if index < len(self._shards) else self._new_shard(index)
        prefix = self.rows(record, config.prefixes)
        unit = calibration.output_norm
        delta, outcome = train_shard(
            self.tail,
            prefix,
            self._irrelevant(record, calibration),
            shard.delta,
            shard.mask,
            config.lr / (config.rho * calibration.input_power),
            Margins(config.alpha * unit, config.beta * unit, config.gamma * unit),
            config,
            record,
        )
        learned = Shard(delta, shard.mask, torch.cat([shard.queries, prefix.query()[:1]]))
        self._shards = [*self._shards[:index], learned, *self._shards[index + 1 :]]
        self._serving = None
        return outcome

    def _new_shard(self, index: int) -> Shard:
        width, features = self.site.weight.shape
        mask = draw_mask((width, features), self.config.rho, self.seed, index).to(self.site.weight.device)
        return Shard(torch.zeros_like(mask, dtype=torch.float32), mask, self.site.weight.new_empty(0, features))

    def _irrelevant(self, record: EditRecord, calibration: Calibration) -> Tensor:
        """Queries outside the scope of this edit, (m, f): the record's own text and some of the measured ones."""
        draw = generator(self.seed, "irrelevant", len(self.edits))
        chosen = torch.randperm(len(calibration.queries), generator=draw)[: self.config.irrelevant]
        measured = calibration.queries[chosen.to(calibration.queries.device)]
        own = self.prompt_queries([record.irrelevant]) if record.irrelevant.strip() else measured[:0]
        return torch.cat([own, measured])

    def _calibrated(self) -> Calibration:
        if self._calibration is None:
            raise ConfigError(f"{self.name}: call prepare(train_records) before the first edit, margins depend on it")
        return self._calibration

    # Answering

    def memories(self) -> list[tuple[Tensor, Tensor]]:
        """The updates (d, f) that answer, each with the queries (n, f) of the edits it holds."""
        return [(shard.delta, shard.queries) for shard in self._shards]

    def decide(self, query: Tensor) -> Routing | None:
        """The memory of largest score among those whose threshold it reaches, else the main memory."""
        if not self._shards:
            return None
        deltas, thresholds = self._answering()
        scores = torch.stack([activation_score(query, delta) for delta in deltas], 1)  # (B, k)
        accepted = scores >= thresholds
        best = torch.where(
            accepted.any(1),
            scores.masked_fill(~accepted, -1).argmax(1),
            (scores / thresholds).argmax(1),  # none accepted: report the one that came closest
        )  # (B,)
        score, threshold = scores.gather(1, best[:, None])[:, 0], thresholds[best]
        return Routing(score, threshold, torch.where(accepted.any(1), best + 1, 0))

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`: the chosen side memory at every position of its sequences."""
        if routing is None or not routing.choice.any():
            return base
        output = base.clone()
        for index, delta in enumerate(self._answering()[0], start=1):
            rows = (routing.choice == index).nonzero(as_tuple=True)[0]
            if len(rows):
                output[rows] += inner[rows] @ delta.T  # (b, L, f) x (f, d)
        return output

    def extra_parameters(self) -> int:
        """The memories that answer: one matrix each."""
        return sum(delta.numel() for delta, _ in self.memories())

    def _answering(self) -> tuple[list[Tensor], Tensor]:
        """Memories and thresholds (k,), derived from the shards once after the last edit.

        eps = act_ratio * smallest score over the edits of the memory (section 2.3.1), less a hair so that
        rounding in a batch of another shape cannot shut out the edit that set it.
        """
        if self._serving is None:
            memories = self.memories()
            smallest = [activation_score(queries, delta).min() for delta, queries in memories]
            self._serving = [delta for delta, _ in memories], self.config.act_ratio * (1 - 1e-5) * torch.stack(smallest)
        return self._serving

    # State

    def _forget(self) -> None:
        self._shards: list[Shard] = []
        self._serving: tuple[list[Tensor], Tensor] | None = None

    def _state(self) -> dict[str, Tensor]:
        state = {
            f"shard{index}.{part}": getattr(shard, part)
            for index, shard in enumerate(self._shards)
            for part in Shard.PARTS
        }
        if self._calibration is not None:
            state["calibration.queries"] = self._calibration.queries
        return state

    def _load_state(self, state: dict[str, Tensor]) -> None:
        count = sum(key.endswith(".delta") for key in state)
        self._shards = [Shard(*(state[f"shard{index}.{part}"] for part in Shard.PARTS)) for index in range(count)]
        if "calibration.queries" in state:
            self._calibration = Calibration.measure(state["calibration.queries"], self.site.weight)


class WiseRetrieve(Wise):
    """Every shard is a memory of its own; the one with the largest activation score answers."""

    name = "wise-retrieve"


class WiseMerge(Wise):
    """The shards merged into one memory (equation 8): constant cost at inference for any k."""

    name = "wise-merge"

    def memories(self) -> list[tuple[Tensor, Tensor]]:
        """The merged update with the queries of all edits."""
        shards = super().memories()
        if not shards:
            return []
        merged = merge([delta for delta, _ in shards], self.config.merge, self.config.density)
        return [(merged, torch.cat([queries for _, queries in shards]))]

    def extra_parameters(self) -> int:
        """One matrix, however many shards learned it."""
        return self.site.weight.numel() if self._shards else 0
