"""Training edits as a network is shown them: what is read, what has to hold afterwards, and what must not change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wise.editors.hypernetworks.options import HypernetworkConfig
from wise.errors import DataError
from wise.lm.batch import encode, fitting
from wise.records import OPPOSITE, WANTED, EditRecord
from wise.seeds import generator
from wise.tail.frozen_states import FrozenStates
from wise.tail.tail import Tail

Tell = Callable[[EditRecord, str], str]
"""The text by which a question of an edit is put."""

LEAST = 1e-6
"""Probability that an answer which is to become unlikely always leaves to others, so that its logarithm is finite."""


@dataclass(frozen=True)
class Lesson:
    """One training edit: the rows whose gradient is read, and what the update has to answer (`scope`).

    `against` has answers that are to become unlikely, of an edit of opinions, and `outside` what the update must not
    touch; None for a record without such probes.
    """

    record: EditRecord
    edit: FrozenStates
    scope: FrozenStates
    against: FrozenStates | None
    outside: FrozenStates | None


class Lessons:
    """Makes lessons of training records, all on the unedited model.

    `label` names the editor in the seeds of all draws. `tell` puts an instruction in front of a question, or nothing.
    `plain`: whether an instructed question is also asked without its instruction; `paraphrases`: whether paraphrases
    are asked at all. Draws depend on `train_seed` alone,
    since a network belongs to the model and the training records, whichever seed edits with it later.
    """

    def __init__(
        self,
        tail: Tail,
        config: HypernetworkConfig,
        contexts: Sequence[str],
        label: str,
        tell: Tell | None = None,
        plain: bool = False,
        paraphrases: bool = True,
    ) -> None:
        self.tail = tail
        self.config = config
        self.contexts = contexts
        self.label = label
        self.tell = tell or (lambda _record, prompt: prompt)
        self.plain = plain
        self.paraphrases = paraphrases

    def chosen(self, records: Sequence[EditRecord]) -> list[EditRecord]:
        """Those of the option `tasks`; raises `DataError` where one of them has no record, or there are none at all."""
        if not records:
            raise DataError(f"{self.label}: there are no training records to fit its network to")
        present = sorted({record.task for record in records})
        for task in self.config.tasks:
            if task not in present:
                found = ", ".join(f"'{name}'" for name in present)
                raise DataError(f"{self.label}: no training record is of the task '{task}'; there are {found}")
        return [record for record in records if not self.config.tasks or record.task in self.config.tasks]

    def stream(self, records: Sequence[EditRecord]) -> Iterator[Lesson]:
        """As many lessons as there are iterations, the records in a new order in every pass.

        With `balanced`, tasks take turns, and each goes through its own records in passes.
        """
        groups: dict[str, list[int]] = defaultdict(list)
        for index, record in enumerate(records):
            groups[record.task if self.config.balanced else ""].append(index)
        orders: dict[str, list[int]] = {task: [] for task in groups}
        for number in range(self.config.iterations):
            task = list(groups)[number % len(groups)]
            if not orders[task]:
                draw = generator(self.config.train_seed, self.label, "order", number)
                orders[task] = torch.randperm(len(groups[task]), generator=draw, device=draw.device).tolist()
            index = groups[task][orders[task].pop()]
            yield self.lesson(records[index], index)

    def lesson(self, record: EditRecord, index: int) -> Lesson:
        """The lesson of record number `index`."""
        kinds = ("paraphrase", WANTED) if self.paraphrases else (WANTED,)
        scope = [(record.prompt, record.target), *_questions(record, *kinds)]
        against, outside = _questions(record, OPPOSITE), _questions(record, "locality_near", "locality_far")
        told = [(self.tell(record, prompt), target) for prompt, target in scope]
        more = [pair for pair in scope if pair not in told] if self.plain else []
        told_against = [(self.tell(record, prompt), target) for prompt, target in against]
        return Lesson(
            record,
            self.edit_rows(record, index),
            self._states([*told, *more]),
            self._states(told_against) if against else None,
            self._states(outside) if outside else None,
        )

    def edit_rows(self, record: EditRecord, index: int) -> FrozenStates:
        """A record as it will be edited: its prompt as it is, then behind random contexts, the same in every pass."""
        draw = generator(0, self.label, "contexts", index)
        order = torch.randperm(len(self.contexts), generator=draw, device=draw.device)
        chosen = order[: self.config.context_prefixes].tolist()
        prompts = [record.prompt, *(f"{self.contexts[i]} {record.prompt}" for i in chosen)]
        told = fitting(self.tail.lm, [self.tell(record, prompt) for prompt in prompts], record.target)
        return self._states([(prompt, record.target) for prompt in told])

    def _states(self, pairs: Sequence[tuple[str, str]]) -> FrozenStates:
        """States of prompts with their targets."""
        return self.tail.frozen(encode(self.tail.lm, *zip(*pairs, strict=True)))


def edited(frozen: FrozenStates, update: Tensor) -> Tensor:
    """The matrix's output (B, L, d) after `update` (d, f) of its unedited value."""
    change = nn.functional.linear(frozen.inner, update.to(frozen.inner.dtype))  # (B, L, f) x (f, d)
    return frozen.output + change


def divergence(tail: Tail, frozen: FrozenStates, update: Tensor) -> Tensor:
    """KL(p_W || p_(W + update)) at the tokens that predict targets, in nats a token; gradients flow to `update`."""
    with torch.no_grad():
        before = tail.logits(frozen, frozen.output).float().log_softmax(-1)  # (N, V)
    after = tail.logits(frozen, edited(frozen, update)).float().log_softmax(-1)
    return (before.exp() * (before - after)).sum(-1).mean()


def unlikeliness(tail: Tail, frozen: FrozenStates, update: Tensor) -> Tensor:
    """-log(1 - p(target token)), mean over the targets' tokens, in nats; gradients flow to `update`."""
    nll = tail.nll(frozen, edited(frozen, update))  # (N,)
    return -torch.log((-torch.expm1(-nll)).clamp(min=LEAST)).mean()


def _questions(record: EditRecord, *kinds: str) -> list[tuple[str, str]]:
    """Prompt and target of the probes of some kinds, opinions by their names."""
    found = ((probe.name if probe.kind == "opinion" else probe.kind, probe) for probe in record.probes)
    return [(probe.prompt, probe.target) for kind, probe in found if kind in kinds]
