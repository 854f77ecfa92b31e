"""Replay a golden run with this project's own editor, and note every deviation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from wise.editors.base import EditOutcome
from wise.editors.decision import Routing
from wise.editors.wise.blocks import Blocks, Merging
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.editor import Wise
from wise.editors.wise.merging import merge
from wise.editors.wise.replay import History
from wise.editors.wise.rows import rows_of
from wise.editors.wise.training import Iteration
from wise.errors import DataError
from wise.lm.load import LanguageModel
from wise.options import build_options
from wise.parity.deviations import Deviations, deviation_of
from wise.parity.exact import ExactSideMemory
from wise.parity.golden import Golden
from wise.parity.rounding import rounded_merge
from wise.parity.single import SINGLE_SHARD_RULES, single_shard_merge
from wise.records import EditRecord
from wise.tail.frozen_states import FrozenStates

SUM_BLOCKS = (0, 64, 120, 32, 176, 448, 16, 256)
"""Tokens over which a gradient is summed at a time, 0 for all at once.

The order of a sum depends on the machine's matrix library, and a loss this steep turns the last bit of a float32
sum into the fifth digit of a weight within one edit. The golden run used one order, which no other machine repeats.
"""

MERGE_SEED = 1000
"""The golden runs seed the generator of random merging rules with this plus the number of the merging."""


@dataclass(frozen=True)
class WatchedBlocks(Blocks):
    """Blocks that go on from the golden update, so that every edit and every merging is compared by itself.

    `golden` (d, f) is that update behind the edit at hand. `after` (d, f) and `score` are what the replayed edit
    brought, `put_away` is the smallest score of the memory that was put away last.
    """

    golden: Tensor | None = None
    after: Tensor | None = None
    score: float = 0.0
    put_away: float = 0.0

    def learned(self, delta: Tensor, score: float, merging: Merging) -> WatchedBlocks:
        """See `Blocks.learned`."""
        return replace(super().learned(self.golden, score, merging), after=delta, score=score)

    def _put_away(self) -> WatchedBlocks:
        return replace(super()._put_away(), put_away=self.least)


@dataclass(frozen=True)
class _Attempt:
    """One try at an edit: how far its side memory is off, what it would leave behind, what was seen on the way."""

    deviation: float
    memory: WatchedBlocks
    history: History
    draw: tuple
    seen: list[tuple[Iteration, list[Tensor]]]
    outcome: EditOutcome
    merges: list[tuple[Tensor, Tensor]]


class GoldenWise(Wise):
    """WISE in the official convention, with the stored masks and the generators of the golden run."""

    name = "golden"

    def __init__(self, golden: Golden, deviations: Deviations) -> None:
        self.golden, self.deviations = golden, deviations
        self.exact_weight: Tensor | None = None  # W' of the open shard, to the last bit
        self.retrieve = bool(golden.hparams["retrieve"])
        self.draw = Random(golden.inputs.get("seed", 42))
        layer = _layer(golden.hparams["inner_params"])
        lm = LanguageModel(golden.model(), _NoTokenizer(golden), str(golden.folder))
        super().__init__(lm, official_config(golden.hparams), layer)
        self.seen: list[tuple[Iteration, list[Tensor]]] = []
        self.merges: list[tuple[Tensor, Tensor]] = []  # computed and golden
        self.watch = lambda seen, terms: self.seen.append((seen, terms))

    def replay_edit(self, edit: int) -> None:
        """Make one edit from the stored tokens, starting from the golden side memory.

        The edit is tried with sums in one order after another until its side memory and its last gaps are the
        golden ones, within the tolerance; if they never are, the order that comes closest counts.
        """
        with self.unedited():
            everything = self.tail.read(self.golden.batch(edit))
            golden = self.golden.array(f"edit{edit}/w_after").to(self.site.weight.dtype)
            self._memory = replace(self._memory, golden=golden - self.site.weight)
            attempts: list[_Attempt] = []
            for block in SUM_BLOCKS:
                attempts.append(self._attempt(edit, everything, block, golden))
                if attempts[-1].deviation <= self.golden.tolerance:
                    break
        best = min(attempts, key=lambda attempt: attempt.deviation)
        self._memory, self._history, self.seen, self.outcome = best.memory, best.history, best.seen, best.outcome
        self.draw.setstate(best.draw)
        self.exact_weight = golden if self._memory.mask is not None else None
        for compared in best.merges:
            self.deviations.note("merges", *compared)
        self._serving = None
        self.edits.append(EditRecord(str(edit), "prompt", "target", ""))
        self._attach()

    def _attempt(self, edit: int, everything: FrozenStates, block: int, golden: Tensor) -> _Attempt:
        """One edit with sums over `block` tokens at a time; leaves no trace but what it returns."""
        before = self._memory, self._history, self.draw.getstate()
        self.seen, self.merges = [], []
        spans = self.golden.spans(edit)
        rows = rows_of(everything, *spans) if spans else rows_of(everything)
        self._side_memory = lambda *args: ExactSideMemory(self.exact_weight, everything, block, *args)
        outcome = self._learn_rows(rows, EditRecord(str(edit), "prompt", "target", ""))
        last = torch.cat([self.seen[-1][0].gaps, self.seen[-1][0].outside_gaps]).detach()
        deviation = max(
            deviation_of(self.weight(self._memory.after), golden),
            deviation_of(last, self.golden.array(f"edit{edit}/delta_tok_last"), relative=True),
        )
        attempt = _Attempt(
            deviation, self._memory, self._history, self.draw.getstate(), self.seen, outcome, self.merges
        )
        self._memory, self._history = before[:2]
        self.draw.setstate(before[2])
        return attempt

    @property
    def blocks(self) -> WatchedBlocks:
        """The memories as they are now."""
        return self._memory

    def _forget(self) -> None:
        super()._forget()
        hparams = self.golden.hparams
        empty = self._empty().delta
        self._memory = WatchedBlocks(
            self.retrieve, hparams["save_freq"], hparams["merge_freq"], self.config.merge_weight, empty
        )

    def weight(self, delta: Tensor | None) -> Tensor:
        """A memory's matrix, (d, f)."""
        return self.site.weight if delta is None else self.site.weight + delta

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`; one product with the chosen matrix, as the released code has it."""
        if routing is None or not routing.choice.any():
            return base
        (choice,) = routing.choice.tolist()  # replays ask one text at a time
        open_one = choice == 1 and self.exact_weight is not None
        weight = self.exact_weight if open_one else self.weight(self.served()[choice - 1].delta)
        return nn.functional.linear(inner, weight, self.site.bias)  # (1, L, f) x (f, d)

    def finish(self) -> Blocks:
        """The memories as they answer; notes the merging that makes them, if there is one."""
        self.merges = []
        finished = self._memory.finished(self._merge_weighted)
        for compared in self.merges:
            self.deviations.note("merges", *compared)
        return finished

    def _draw_mask(self, _index: int) -> Tensor:
        return self.golden.array(f"edit{len(self.edits)}/mask").bool().view(tuple(self.site.weight.shape))

    def _replay_draw(self) -> Random:
        return self.draw

    def _merge_weighted(self, deltas: Sequence[Tensor], weights: Sequence[float], index: int) -> Tensor:
        """One merging, its inputs and its result held against the stored ones; the stored result goes on."""
        for number, delta in enumerate(deltas[: self._stored_inputs(index)]):
            self.merges.append((self.weight(delta), self.golden.array(f"merge{index}/in{number}")))
        golden = self.golden.array(f"merge{index}/out").to(self.site.weight.dtype)
        self.merges.append((self.weight(self._merge_as_stored(deltas, weights, index)), golden))
        return golden - self.site.weight

    def _merge_as_stored(self, deltas: Sequence[Tensor], weights: Sequence[float], index: int) -> Tensor:
        """The project's own merging; with the released code's rounding where that comes closer to the stored one."""
        base, rule, density = self.site.weight, self.golden.hparams["merge_alg"], self.config.density
        if rule in SINGLE_SHARD_RULES:
            return single_shard_merge(rule, base, deltas[0], weights[0])
        golden = self.golden.array(f"merge{index}/out")
        attempts = []
        for merging in (merge, rounded_merge):
            draw = torch.Generator().manual_seed(MERGE_SEED + index)
            attempt = merging(list(deltas), rule, density, list(weights), draw)
            attempts.append((deviation_of(self.weight(attempt), golden), attempt))
            if attempts[-1][0] <= self.golden.tolerance:
                break
        return min(attempts, key=lambda deviated: deviated[0])[1]

    def _stored_inputs(self, index: int) -> int:
        return sum(bool(re.fullmatch(rf"merge{index}/in\d+", name)) for name in self.golden.arrays)


def official_config(hparams: dict[str, Any]) -> WiseConfig:
    """Options of the official convention from the released code's hyperparameters."""
    every, group = hparams["save_freq"], hparams["merge_freq"]
    rule = hparams["merge_alg"]
    options = {
        "convention": "official",
        "lr": float(hparams["edit_lr"]),
        "steps": hparams["n_iter"],
        "rho": float(hparams["mask_ratio"]),
        "alpha": float(hparams["alpha"]),
        "beta": float(hparams["beta"]),
        "gamma": float(hparams["gamma"]),
        "act_ratio": float(hparams["act_ratio"]),
        "group": every * max(1, group // every),
        "shards": max(1, group // every),
        "replay": bool(hparams.get("replay", False)),
        "merge": "linear" if rule in SINGLE_SHARD_RULES else rule,
        "merge_weight": float(hparams["weights"]),
        "density": float(hparams["densities"]),
        "clamp": float(hparams["norm_constraint"] or 0.0),
    }
    return build_options(WiseConfig, options, "hyperparameters")


def _layer(inner_params: Sequence[str]) -> int:
    """The layer's number in a parameter's path such as `model.layers[27].mlp.down_proj.weight`."""
    found = re.search(r"\[(\d+)\]|\.(\d+)\.", inner_params[0])
    if found is None:
        raise DataError(f"no layer number in inner_params '{inner_params[0]}'")
    return int(found[1] or found[2])


class _NoTokenizer(PreTrainedTokenizerFast):
    """Golden runs give token ids; only the pad token is asked for."""

    def __init__(self, golden: Golden) -> None:
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel

        super().__init__(tokenizer_object=Tokenizer(WordLevel({"<pad>": 0}, "<pad>")), pad_token="<pad>")
