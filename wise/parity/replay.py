"""Replay a golden run with this project's own editor, and note every deviation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from wise.editors.base import EditOutcome
from wise.editors.decision import Reading, Routing
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.editor import Wise
from wise.editors.wise.memories import Served
from wise.editors.wise.rows import rows_of
from wise.errors import DataError
from wise.lm.architectures import find_site
from wise.lm.load import LanguageModel
from wise.options import build_options
from wise.parity.bank import GoldenBank, GoldenTools
from wise.parity.deviations import Deviations, deviation_of
from wise.parity.exact import ExactTrainer, Pass
from wise.parity.golden import Golden
from wise.parity.single import SINGLE_SHARD_RULES
from wise.records import EditRecord
from wise.tail.tail import Tail

SUM_BLOCKS = (0, 64, 120, 32, 176, 448, 16, 256)
"""Tokens over which a gradient is summed at a time, 0 for all at once.

The order of a sum depends on the machine's matrix library, and a loss this steep turns the last bit of a float32
sum into the fifth digit of a weight within one edit. The golden run used one order, which no other machine repeats.
"""


@dataclass(frozen=True)
class _Attempt:
    """One try at an edit: how far its side memory is off, what it would leave behind, what was seen on the way."""

    deviation: float
    bank: GoldenBank
    draw: tuple
    passes: list[Pass]
    outcome: EditOutcome
    merges: list[tuple[Tensor, Tensor]]


class GoldenWise(Wise):
    """WISE as the golden run answers; what it decides, and on which scores (B, k), is kept for comparison."""

    name = "golden"
    bank: GoldenBank

    def __init__(self, lm: LanguageModel, config: WiseConfig, tools: GoldenTools, trainer: ExactTrainer) -> None:
        hparams = tools.golden.hparams
        every = hparams["save_freq"], hparams["merge_freq"]
        bank = partial(GoldenBank, tools, bool(hparams["retrieve"]), *every, tools.zero())
        super().__init__(lm, config, tools.tail.site.layer, trainer=trainer, bank=bank)
        self.exact = trainer
        self.decided: list[tuple[Routing, Tensor]] = []
        self._scored = torch.empty(0)

    def scores(self, reading: Reading, served: Sequence[Served]) -> Tensor:
        """See `Wise.scores`."""
        self._scored = super().scores(reading, served)
        return self._scored

    def decide(self, reading: Reading) -> Routing | None:
        """See `Wise.decide`."""
        routing = super().decide(reading)
        if routing is not None:
            self.decided.append((routing, self._scored))
        return routing

    def hold(self, record: EditRecord) -> None:
        """Count an edit whose memory is at hand already, and put that into the model."""
        self.edits.append(record)
        self._attach()

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`; one product with the chosen matrix, as the released code has it."""
        if routing is None or not routing.choice.any():
            return base
        (choice,) = routing.choice.tolist()  # replays ask one text at a time
        exact = self.exact.weight if choice == 1 else None  # of the open memory
        weight = self.site.weight + self.bank.served()[choice - 1].delta if exact is None else exact
        return nn.functional.linear(inner, weight, self.site.bias)  # (1, L, f) x (f, d)


class Replay:
    """A golden run, edit by edit, by this project's editor with the golden run's memories and sums.

    `passes` and `outcome` are of the last edit.
    """

    passes: list[Pass]
    outcome: EditOutcome

    def __init__(self, golden: Golden, deviations: Deviations) -> None:
        self.golden, self.deviations = golden, deviations
        lm = LanguageModel(golden.model(), _NoTokenizer(golden), str(golden.folder))
        config = official_config(golden.hparams)
        tail = Tail(lm, find_site(lm.model, _layer(golden.hparams["inner_params"])))
        self.tools, self.trainer = GoldenTools(tail, config, golden), ExactTrainer(tail)
        self.editor = GoldenWise(lm, config, self.tools, self.trainer)

    @property
    def bank(self) -> GoldenBank:
        """The memories as they are now."""
        return self.editor.bank

    def edit(self, edit: int) -> None:
        """Make one edit from the stored tokens, starting from the golden side memory.

        The edit is tried with sums in one order after another until its side memory and its last gaps are the
        golden ones, within the tolerance; if they never are, the order that comes closest counts.
        """
        editor, attempts = self.editor, []
        with editor.unedited():
            self.trainer.everything = editor.tail.read(self.golden.batch(edit))
            golden = self.golden.array(f"edit{edit}/w_after").to(editor.site.weight.dtype)
            editor.bank = replace(editor.bank, golden=golden - editor.site.weight)
            for block in SUM_BLOCKS:
                attempts.append(self._attempt(edit, block, golden))
                if attempts[-1].deviation <= self.golden.tolerance:
                    break
        best = min(attempts, key=lambda attempt: attempt.deviation)
        editor.bank, self.passes, self.outcome = best.bank, best.passes, best.outcome
        self.tools.random.setstate(best.draw)
        self.trainer.weight = golden if best.bank.mask is not None else None
        self._note(best.merges)
        editor.hold(_record(edit))

    def _attempt(self, edit: int, block: int, golden: Tensor) -> _Attempt:
        """One edit with sums over `block` tokens at a time; leaves no trace but what it returns."""
        editor, random = self.editor, self.tools.random
        before = editor.bank, random.getstate()
        self.trainer.block, self.tools.merges = block, []
        outcome = editor.learn_rows(rows_of(self.trainer.everything, *self.golden.spans(edit) or ()), _record(edit))
        passes = self.trainer.passes
        seen = passes[-1][0]
        last = torch.cat([gaps for gaps in (seen.gaps, seen.outside_gaps) if gaps is not None]).detach()
        deviation = max(
            deviation_of(self.tools.weight(editor.bank.after), golden),
            deviation_of(last, self.golden.array(f"edit{edit}/delta_tok_last"), relative=True),
        )
        attempt = _Attempt(deviation, editor.bank, random.getstate(), passes, outcome, self.tools.merges)
        editor.bank = before[0]
        random.setstate(before[1])
        return attempt

    def finish(self) -> GoldenBank:
        """The memories as they answer; notes the merging that makes them, if there is one."""
        self.tools.merges = []
        finished = self.bank.finished()
        self._note(self.tools.merges)
        return finished

    def _note(self, merges: Sequence[tuple[Tensor, Tensor]]) -> None:
        for compared in merges:
            self.deviations.note("merges", *compared)


def _record(edit: int) -> EditRecord:
    """Golden runs give token ids, so that nothing but the number is asked for."""
    return EditRecord(str(edit), "prompt", "target", "")


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
