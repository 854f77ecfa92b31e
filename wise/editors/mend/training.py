"""Training MEND's network on the unedited model: edits should hold, in other words too, and change nothing else."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from wise.editors.mend.config import MendConfig
from wise.editors.mend.gradients import token_gradients
from wise.editors.mend.network import GradientTransform
from wise.editors.shared.loss import edit_loss
from wise.editors.shared.running_moments import RunningStatistics
from wise.errors import DataError, EditError
from wise.lm.batch import encode
from wise.records import EditRecord
from wise.seeds import generator
from wise.tail.frozen_states import FrozenStates
from wise.tail.tail import Tail

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lesson:
    """One training edit: the rows whose gradient is read, what the update has to answer, and what it must not touch.

    `outside` is None for a record without locality probes.
    """

    edit: FrozenStates
    scope: FrozenStates
    outside: FrozenStates | None


@dataclass(frozen=True)
class Trained:
    """A network, frozen, and its mean `losses` (2,), of the edit and of locality, over the last pass."""

    network: GradientTransform
    losses: Tensor


class Trainer:
    """L = c_edit * NLL(targets | W + alpha G) + c_loc * KL(p_W || p_(W + alpha G)) on other questions (section 3.3).

    Every edit starts from the unedited matrix. The states in front of it never change, so an iteration runs only
    the layers behind it. All draws come from one fixed seed, since the network belongs to the model and the
    training records, whichever seed edits with it later.
    """

    def __init__(self, tail: Tail, config: MendConfig, contexts: Sequence[str]) -> None:
        self.tail = tail
        self.config = config
        self.contexts = contexts
        self.weight = tail.site.weight.detach()

    def train(self, records: Sequence[EditRecord]) -> Trained:
        """The network after `iterations` edits.

        Raises `DataError` without training records, and `EditError` when the loss is not finite.
        """
        if not records:
            raise DataError("mend: there are no training records to fit its network to")
        config, (width, features) = self.config, self.weight.shape
        network = GradientTransform(features, width, config.rank, config.alpha, generator(0, "mend", "network"))
        network.to(self.weight.device).normalise_by(self._statistics(records))
        optimizer, schedule = self._optimizer(network)
        course: list[tuple[float, float]] = []
        lessons = tqdm(self._lessons(records), total=config.iterations, unit="edit", desc="mend", disable=None)
        for number, lesson in enumerate(lessons, start=1):
            edit, locality = self.losses(network, lesson)
            loss = config.c_edit * edit + config.c_loc * locality
            if not loss.isfinite():
                raise EditError(f"mend: the loss of training became {loss.item()} at iteration {number}; lower lr")
            (loss / config.accumulate).backward()
            if number % config.accumulate == 0 or number == config.iterations:
                torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            course.append((edit.item(), locality.item()))
        losses = torch.tensor(course[-len(records) :]).mean(0)
        LOG.info("mend: edit loss %.3f, divergence elsewhere %.4f nats a token, alpha %.4g", *losses, network.alpha)
        return Trained(network.requires_grad_(False), losses)

    def _optimizer(self, network: GradientTransform) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.LinearLR]:
        """Adam with a rate of its own for alpha, and the fall of both rates to zero."""
        config = self.config
        groups = ((network.layers.parameters(), config.lr), ([network.alpha], config.lr_alpha))
        optimizer = torch.optim.Adam([{"params": parameters, "lr": rate} for parameters, rate in groups])
        steps = math.ceil(config.iterations / config.accumulate)
        return optimizer, torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)

    def losses(self, network: GradientTransform, lesson: Lesson) -> tuple[Tensor, Tensor]:
        """Edit loss and divergence (nats a token) of one training edit; gradients flow into the network."""
        tokens = token_gradients(self.tail, lesson.edit, self.weight)
        update = network(tokens.inner, tokens.delta)  # (d, f)
        edit = edit_loss(self.tail, lesson.scope, edited(lesson.scope, update))
        if lesson.outside is None:
            return edit, edit.new_zeros(())
        with torch.no_grad():
            before = self.tail.logits(lesson.outside, lesson.outside.output).float().log_softmax(-1)  # (N, V)
        after = self.tail.logits(lesson.outside, edited(lesson.outside, update)).float().log_softmax(-1)
        return edit, (before.exp() * (before - after)).sum(-1).mean()

    def _statistics(self, records: Sequence[EditRecord]) -> RunningStatistics:
        """Mean and deviation of the tokens [x; d] of all training edits."""
        statistics = RunningStatistics.empty(sum(self.weight.shape), self.weight.device)
        for index, record in enumerate(records):
            tokens = token_gradients(self.tail, self._augmented(record, index), self.weight)
            statistics = statistics.updated(torch.cat([tokens.inner, tokens.delta], -1))
        return statistics

    def _lessons(self, records: Sequence[EditRecord]) -> Iterator[Lesson]:
        """As many lessons as there are iterations, the records in a new order in every pass."""
        order: list[int] = []
        for number in range(self.config.iterations):
            if not order:
                order = torch.randperm(len(records), generator=generator(0, "mend", "order", number)).tolist()
            index = order.pop()
            record = records[index]
            outside = _questions(record, "locality_near", "locality_far")
            yield Lesson(
                self._augmented(record, index),
                self._prefix([(record.prompt, record.target), *_questions(record, "paraphrase")]),
                self._prefix(outside) if outside else None,
            )

    def _augmented(self, record: EditRecord, index: int) -> FrozenStates:
        """A record as it will be edited: its prompt as it is, then behind random contexts, the same in every pass."""
        draw = generator(0, "mend", "contexts", index)
        chosen = torch.randperm(len(self.contexts), generator=draw)[: self.config.context_prefixes].tolist()
        prompts = [record.prompt, *(f"{self.contexts[i]} {record.prompt}" for i in chosen)]
        return self._prefix([(prompt, record.target) for prompt in prompts])

    def _prefix(self, pairs: Sequence[tuple[str, str]]) -> FrozenStates:
        """States of prompts with their targets."""
        return self.tail.frozen(encode(self.tail.lm, *zip(*pairs, strict=True)))


def edited(frozen: FrozenStates, update: Tensor) -> Tensor:
    """The matrix's output (B, L, d) after `update` (d, f) of its unedited value."""
    change = nn.functional.linear(frozen.inner, update.to(frozen.inner.dtype))  # (B, L, f) x (f, d)
    return frozen.output + change


def _questions(record: EditRecord, *kinds: str) -> list[tuple[str, str]]:
    return [(probe.prompt, probe.target) for probe in record.probes if probe.kind in kinds]
