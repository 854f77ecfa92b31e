"""WISE-Retrieve keeps its memories apart and asks the best one; WISE-Merge merges them into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from wise.editors.base import EditOutcome
from wise.editors.decision import Reading, Routing
from wise.editors.layout import Layout, Part
from wise.editors.locate.moments import training_texts
from wise.editors.mechanisms.routed import RoutedEditor
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise.answer_end import AnswerEnd
from wise.editors.wise.chosen_reader import Shares, chosen_reader, told_by
from wise.editors.wise.config import WiseConfig, WiseMergeConfig
from wise.editors.wise.cosine_scope import JoinedScopes, PromptTokens, Reader
from wise.editors.wise.memories import BANKS, MemoryBank, Served, Tools
from wise.editors.wise.memories.bank import Train
from wise.editors.wise.prompt_reader import PromptReader
from wise.editors.wise.routing import HELD_BACK, LONG, Calibration, Margins, Scope, span_of
from wise.editors.wise.rows import UNPREPARED, edit_rows
from wise.editors.wise.subject_reader import SubjectReader, subject_site
from wise.editors.wise.training import Edit, Rows, Step, Trainer
from wise.editors.wise.whitening import SQUARES, WhitenedTrainer, joined_moments, key_moments, whitening
from wise.errors import ConfigError
from wise.lm.architectures import Site
from wise.lm.load import LanguageModel
from wise.records import EditRecord
from wise.seeds import generator

FEWEST = 3
"""Unrelated prompts of which at least one takes no part in learning."""

UNRELATED = 256
"""Most of these prompts whose tokens are all kept."""

TIED = 0.1
"""Most that cosines differ by where several memories are as near."""


class Wise(RoutedEditor):
    """Side memories beside the main one: a trainer teaches them, a bank keeps them, and a router asks them.

    `trainer` and `bank`, which makes an empty bank, take the place of those that the options name.
    """

    remedy = "Raise 'steps' or 'lr'; where later edits took the place of this one, lower 'capacity' or raise 'shards'."
    Config = WiseConfig
    retrieve: ClassVar[bool] = True
    """Whether memories answer apart, or merged into one."""
    bank: MemoryBank

    def __init__(
        self,
        lm: LanguageModel,
        config: WiseConfig,
        layer: int,
        contexts: Sequence[str] = (),
        seed: int = 0,
        trainer: Train | None = None,
        bank: Callable[[], MemoryBank] | None = None,
    ) -> None:
        super().__init__(lm, config, layer, contexts, seed)
        self.policy = config.routing
        self.tools = Tools(self.tail, config, seed)
        self._train = trainer or Trainer(self.tail)
        self._given = trainer
        self._empty_bank = partial(BANKS[config.order].empty, self.tools, self.retrieve) if bank is None else bank
        self._calibration: Calibration | None = None
        self._moments: Tensor | None = None
        self._recognised: Shares | None = None
        self._scopes: tuple[Sequence[Served], JoinedScopes] | None = None  # of the memories that were last asked
        self._forget()

    @classmethod
    def memory_need(cls, config: WiseConfig, width: int, inner: int) -> int:
        """See `Editor.memory_need`; of each shard its update and its mask, and both again while shards are merged.

        With `capacity` the number of memories follows the number of edits, which is not known here.
        """
        square = SQUARES * inner**2 if config.whiten else 0
        return 4 * (cls.matrices + 4 * config.shards) * width * inner + square

    # Learning

    needs_irrelevant = True

    @property
    def needs_subject(self) -> bool:
        """Whether prompts are recognised by the subject of an edit."""
        return isinstance(self.tools.reader, SubjectReader)

    def learns_from_records(self) -> bool:
        """See `Editor.learns_from_records`: the model's own scales, where options are relative."""
        return self.config.units != "absolute" or self.config.irrelevant > 0

    def prepare(self, records: Sequence[EditRecord]) -> None:
        """Measure the model's own scales on the unrelated prompts of training records, where options are relative.

        Raises `ConfigError` when none of them has one, or too few are left to set a threshold on.
        """
        if not self.learns_from_records():
            return
        texts = [record.unrelated_prompt for record in records if record.irrelevant.strip()]
        if self.config.whiten:  # questions like those that will be asked, some of them of an edit's relation
            texts = list(dict.fromkeys([*texts, *(record.prompt for record in records)]))
        if not texts:
            raise ConfigError(
                f"{self.name}: margins need training records with an 'irrelevant' text; none of them has one"
            )
        if self.config.threshold == "between" and len(texts) < FEWEST:
            raise ConfigError(
                f"{self.name}: threshold 'between' needs at least {FEWEST} training prompts, found {len(texts)}"
            )
        self._calibrate(pooled_prompts(self, texts, "last"))
        if self.config.whiten:
            self._whiten(key_moments(self.tail, training_texts(records)))
        calibration = cast(Calibration, self._calibration)
        reader, self._recognised = chosen_reader(self, records, texts, calibration.learned_with)
        self._read_signs(reader)
        if reader is not None:
            draw = generator(self.seed, "unrelated tokens")
            held_back = texts[HELD_BACK]
            chosen = torch.randperm(len(held_back), generator=draw, device=draw.device)[:UNRELATED].tolist()
            self.tools.unrelated = reader.tokens(self, [held_back[i] for i in chosen])

    def _read_signs(self, reader: Reader | None) -> None:
        """Tell scopes by signs, which `reader` reads, or without one by activation."""
        self.tools.reader, self.tools.unrelated = reader, None
        self.tail.keep_early(None if reader is None else reader.site)

    def _calibrate(self, queries: Tensor) -> None:
        """Take the inputs (n, f) of the matrix at the last tokens of unrelated prompts."""
        self._calibration = Calibration.measure(queries, self.site.weight)
        self.tools.held_back = self._calibration.held_back

    def _whiten(self, moments: Tensor) -> None:
        """Learn in the metric that the second moments (f, f) of unrelated keys give."""
        self._moments = moments
        if self._given is not None:
            return
        joined = joined_moments(moments, cast(Calibration, self._calibration).learned_with)
        self.tools.metric = whitening(joined, self.config.whiten)
        self._train = WhitenedTrainer(self.tail, self.tools.metric)

    def measured(self) -> dict[str, float]:
        """The units of the margins and of the learning rate, see `Calibration`."""
        if self._calibration is None:
            return {}
        found = {"output_norm": self._calibration.output_norm, "input_power": self._calibration.input_power}
        names = "recognised_by_subject", "recognised_by_last_token"
        return found | (dict(zip(names, self._recognised, strict=True)) if self._recognised else {})

    def learn_rows(self, rows: Rows, record: EditRecord) -> EditOutcome:
        """Teach one edit from rows that are at hand; nothing is kept when training fails."""
        edit = Edit(record, len(self.edits), rows, self.step())
        with self.unedited():
            self.bank, outcome = self.bank.learn(edit, self._train)
        return outcome

    def step(self) -> Step:
        """Rate and margins, relative ones in the units of this model; raises `ConfigError` before `prepare`."""
        config, unit, lr, weight = self.config, 1.0, self.config.lr, self.config.routing_weight
        if config.units != "absolute":
            if self._calibration is None:
                raise ConfigError(UNPREPARED.format(self.name))
            unit = self._calibration.output_norm
        if config.units == "relative":
            lr = config.lr / (config.rho * cast(Calibration, self._calibration).input_power)
        elif config.units == "whitened":
            lr, weight = config.lr * unit, config.routing_weight / unit
        margins = Margins(config.alpha * unit, config.beta * unit, config.gamma * unit)
        return Step(lr, margins, weight, self.tools.activation(), config)

    def _learn(self, record: EditRecord) -> EditOutcome:
        return self.learn_rows(edit_rows(self, record, self._calibration, self.tools.reader), record)

    # Answering

    def decide(self, reading: Reading) -> Routing | None:
        """The memory that the bank chooses by the scores of all that answer, else the main memory."""
        served = self.bank.served()
        if not served:
            return None
        by_signs = served[0].scope is not None
        scores = self.cosines(reading, served) if by_signs else self.scores(reading, served)  # (B, k)
        thresholds = torch.stack([memory.threshold for memory in served]).to(scores)  # (k,)
        choice = self.bank.choose(scores, thresholds)
        if by_signs and len(served) > 1:
            near = (scores >= thresholds) & (scores >= scores.amax(1, keepdim=True) - TIED)
            choice = torch.where(choice > 0, self._moved_most(reading, served, near), 0)
        nearest = torch.where(choice > 0, choice - 1, (scores / thresholds).argmax(1))  # what came closest, if none
        return Routing(scores.gather(1, nearest[:, None])[:, 0], thresholds[nearest], choice)

    def cosines(self, reading: Reading, served: Sequence[Served]) -> Tensor:
        """Scores (B, k) of prompts by the signs of the edits."""
        if self._scopes is None or self._scopes[0] is not served:
            self._scopes = served, JoinedScopes.of([memory.scope for memory in served if memory.scope is not None])
        return self._scopes[1].scores(*cast(Reader, self.tools.reader).seen(reading))

    def _moved_most(self, reading: Reading, served: Sequence[Served], near: Tensor) -> Tensor:
        """Number (B,) of the memory among those that are `near` (B, k) which moves the last prompt token most.

        Several may hold edits of one subject; the one of this relation, and the later one of the same prompt, moves it.
        Mostly one alone is near, and nothing has to be computed.
        """
        asked = near[near.sum(1) > 1].any(0).nonzero()[:, 0]  # a few of what may be hundreds of memories
        moved = torch.zeros_like(near, dtype=reading.inner.dtype)
        if len(asked):
            scores = self.scores(reading, [served[index] for index in asked.tolist()])
            moved[:, asked] = scores.to(moved)
        return moved.masked_fill(~near, -1).argmax(1) + 1

    def scores(self, reading: Reading, served: Sequence[Served]) -> Tensor:
        """Routing scores (B, k), equation 4."""
        config, rows = self.config, torch.arange(len(reading.last), device=reading.last.device)
        if config.positions == "last" or (config.positions == "answer" and config.routing == "prefill"):
            here = rows, reading.last
            scope = Scope(reading.inner[here][:, None], reading.base[here][:, None], torch.ones_like(rows)[:, None])
        else:
            scope = Scope(reading.inner, reading.base, span_of(reading, config.positions))
        longest = LONG if config.pool == "mean_or_max" else None
        return torch.stack([scope.scores(memory.update, self.tools.activation(), longest) for memory in served], 1)

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`: the chosen side memory on the prompt and, behind it, up to the end of the answer."""
        if routing is None or not routing.choice.any():
            return base
        output, served = base.clone(), self.bank.served()
        for index in sorted(set(routing.choice.tolist()) - {0}):  # a few of what may be hundreds of memories
            memory, rows = served[index - 1], (routing.choice == index).nonzero(as_tuple=True)[0]
            change = memory.update.moved(inner[rows])  # (b, L, f) -> (b, L, d)
            if memory.end is not None and self.policy == "prefill":
                change *= self._answered(memory.end, inner[rows], None if last is None else last[rows])[..., None]
            output[rows] += change
        return output

    def _answered(self, end: AnswerEnd, inner: Tensor, last: Tensor | None) -> Tensor:
        """Positions (b, L) at which a memory answers; up to `last` (b,) they are the prompt's."""
        answered = end.answered(inner)
        if last is None:
            return answered
        return answered | (torch.arange(inner.shape[1], device=inner.device) <= last[:, None])

    def holder(self, record_id: str) -> int:
        """Number of the memory that holds an edit, from 1; 0 where none does. For retrieval by an oracle."""
        position = next((i for i, record in enumerate(self.edits) if record.id == record_id), None)
        holders = (number for number, memory in enumerate(self.bank.served(), start=1) if position in memory.edits)
        return next(holders, 0)

    def extra_parameters(self) -> int:
        """The memories that answer, and what tells which prompts are their own and where answers end."""
        served = self.bank.served()
        ends = [memory.end for memory in served if memory.end is not None]
        scopes = [memory.scope for memory in served if memory.scope is not None]
        rows = [rows for end in ends for rows in (end.rest, end.ends)] + [scope.signs for scope in scopes]
        reader = 0 if self.tools.reader is None else self.tools.reader.factor.numel()
        return reader + sum(memory.update.size for memory in served) + sum(r.numel() for r in rows)

    def merged(self) -> dict[Site, nn.Parameter]:
        """See `Editor.merged`: W0 + update, in the wider of the two precisions."""
        holding = [memory for memory in self.bank.served() if not memory.update.empty]
        if len(holding) != 1:
            raise ConfigError(
                f"{self.name}: {len(holding)} memories answer; one matrix can only take the place of exactly one "
                "(use wise-merge, or set shards: 1 and capacity: 0 before the first edit)"
            )
        with self.unedited():
            return {self.site: self.site.parameter(self.site.weight.detach() + holding[0].delta)}

    # Undoing, state

    def _undo_shard(self) -> list[EditRecord]:
        """See `Editor.undo`: the memory that was begun last, with the edits that it holds."""
        if not self.edits:
            raise ConfigError(f"{self.name}: there are no edits to undo")
        self.bank, gone = self.bank.undo()
        lost = [self.edits[i] for i in gone]
        self.edits[:] = [record for i, record in enumerate(self.edits) if i not in set(gone)]
        if self.edits:
            self._attach()  # decisions made before are forgotten
        else:
            self._detach()
        return lost

    def _forget(self) -> None:
        self.bank = self._empty_bank()

    def memory(self) -> dict[str, Tensor]:
        """See `Editor.memory`; also the queries and moments of the calibration, which later edits are learned with."""
        calibration = {} if self._calibration is None else {"calibration.queries": self._calibration.queries}
        moments = {} if self._moments is None else {"calibration.moments": self._moments}
        if self._recognised:
            moments |= {"calibration.recognised": torch.tensor(self._recognised, dtype=torch.float64)}
        reader, unrelated = self.tools.reader, self.tools.unrelated
        if reader is not None and unrelated is not None:
            moments |= {"signs.factor": reader.factor}
            moments |= {"signs.tokens": unrelated.units, "signs.prompts": unrelated.prompt}
        return self.bank.state() | calibration | moments

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        measured = {
            "calibration.queries": Part("q f", optional=True),
            "calibration.moments": Part("2 f f", optional=True),
            "calibration.recognised": Part("2", "double", optional=True),
            "signs.factor": Part("d d", optional=True),
            "signs.tokens": Part("N d", optional=True),
            "signs.prompts": Part("N", "int", below="N", optional=True),
        }
        return {**self.bank.LAYOUT, **measured}

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        self.bank = self.bank.restored(memory)
        if "calibration.queries" in memory:
            self._calibrate(memory["calibration.queries"])
        shares = memory.get("calibration.recognised")
        self._recognised = None if shares is None else (shares[0].item(), shares[1].item())
        self._read_signs(self._reader_of(memory["signs.factor"]) if "signs.factor" in memory else None)
        if "signs.tokens" in memory:
            self.tools.unrelated = PromptTokens(memory["signs.tokens"], memory["signs.prompts"])
        if "calibration.moments" in memory:
            self._whiten(memory["calibration.moments"])

    def _reader_of(self, factor: Tensor) -> Reader:
        """The reader that the `factor` (d, d) of its metric was kept of."""
        site = subject_site(self.lm, self.layer)
        by_subject = told_by(self.config, self._recognised) == "subject"
        return SubjectReader(site, factor) if by_subject and site is not None else PromptReader(factor)


class WiseRetrieve(Wise):
    """Every shard is a memory of its own, or every merged group of them; the one of largest score answers."""

    name = "wise-retrieve"


class WiseMerge(Wise):
    """The shards merged into one memory (equation 8): constant cost at inference for any k."""

    name = "wise-merge"
    Config = WiseMergeConfig
    retrieve = False
