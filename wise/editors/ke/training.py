"""Training KE's network, by a penalty as in MEND's code or under its own authors' constraint."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wise.editors.hypernetworks.gradients import TokenGradients
from wise.editors.hypernetworks.lessons import Lesson, Lessons, edited
from wise.editors.hypernetworks.training import HypernetworkTrainer
from wise.editors.ke.condition import conditions, known_tokens
from wise.editors.ke.config import KEConfig
from wise.editors.ke.network import UpdateNetwork
from wise.editors.shared.loss import rows_mean
from wise.lm.architectures import Site
from wise.lm.load import LanguageModel
from wise.records import EditRecord
from wise.seeds import derive_seed

SMOOTHING = 0.1
"""Probability that smoothed labels give to all other tokens together."""

ROUND, ENOUGH, SHRINK = 50, 0.9, 0.8
"""Behind every so many training edits, the margin is multiplied by `SHRINK` where more than `ENOUGH` of them took."""


def build(lm: LanguageModel, site: Site, config: KEConfig, known: Tensor, seed: int) -> UpdateNetwork:
    """An untrained network for a matrix in its own layout, as PyTorch starts it."""
    embeddings = lm.model.get_input_embeddings().weight.detach()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "ke", "network"))
        return UpdateNetwork(
            (site.own.shape[0], site.own.shape[1]),
            embeddings,
            known,
            config.hidden,
            config.cond_dim,
            config.max_scale,
        )


def update_of(
    network: UpdateNetwork, site: Site, config: KEConfig, condition: tuple[int, ...], tokens: TokenGradients
) -> Tensor:
    """The update (d, f) of one edit."""
    gradient = config.gradient_scale * site.turned(tokens.delta.T @ tokens.inner)  # (d, n) x (n, f)
    return site.turned(network(torch.tensor(condition, device=gradient.device), gradient))


class Trainer(HypernetworkTrainer[UpdateNetwork]):
    """c_edit * NLL(targets | W + update) + c_loc * KL(p_W || p_(W + update)), with Adam."""

    def __init__(self, lessons: Lessons) -> None:
        super().__init__(lessons)
        self._conditions: dict[str, tuple[int, ...]] = {}

    def untrained(self, records: Sequence[EditRecord]) -> UpdateNetwork:
        """See `HypernetworkTrainer.untrained`; all training texts are read once, for the tokens that they hold."""
        texts = conditions(self.tail.lm, records, self.config.condition)
        self._conditions = {record.id: text for record, text in zip(records, texts, strict=True)}
        known = known_tokens(texts if self.config.train_embeddings else [])
        return build(self.tail.lm, self.tail.site, self.config, known, self.config.train_seed)

    def optimizer(self, network: UpdateNetwork) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(network.parameters(), lr=self.config.lr)

    def update(self, network: UpdateNetwork, lesson: Lesson, tokens: TokenGradients) -> Tensor:
        """See `HypernetworkTrainer.update`."""
        return update_of(network, self.tail.site, self.config, self._conditions[lesson.record.id], tokens)


class ConstrainedTrainer(Trainer):
    """The loss of the edit, with smoothed labels, under the constraint KL <= margin.

    `multiplier` () is the constraint's: RMSprop climbs with it, never below zero, while it descends with the network.
    """

    def __init__(self, lessons: Lessons) -> None:
        super().__init__(lessons)
        self.multiplier = torch.ones((), device=self.weight.device).requires_grad_(True)
        self.margin: float = self.config.margin
        self._took: list[bool] = []

    def optimizer(self, network: UpdateNetwork) -> torch.optim.Optimizer:
        """RMSprop with centred moments, uphill for the multiplier."""
        climbing = {"params": [self.multiplier], "lr": self.config.lr_multiplier, "maximize": True}
        return torch.optim.RMSprop([{"params": network.parameters()}, climbing], lr=self.config.lr, centered=True)

    def edit_loss(self, lesson: Lesson, update: Tensor) -> Tensor:
        """Cross-entropy with smoothed labels; notes whether the edit took."""
        scope = lesson.scope
        logits = self.tail.logits(scope, edited(scope, update)).float()  # (N, V)
        right = logits.detach().argmax(-1) == scope.targets.tokens
        self._took.append(bool(right[scope.targets.rows == 0].all()))
        size = logits.shape[1]
        smoothing = SMOOTHING * size / (size - 1)  # PyTorch gives the right token its share too
        losses = nn.functional.cross_entropy(logits, scope.targets.tokens, label_smoothing=smoothing, reduction="none")
        return rows_mean(scope, losses)

    def total(self, network: UpdateNetwork, edit: Tensor, locality: Tensor) -> Tensor:
        """The Lagrangian."""
        return edit + self.multiplier * (locality - self.margin)

    def passed(self, network: UpdateNetwork, number: int, records: int) -> None:
        """Keep the multiplier from falling below zero, and shrink the margin."""
        with torch.no_grad():
            self.multiplier.clamp_(min=0)
        if number % ROUND == 0:
            if sum(self._took) > ENOUGH * len(self._took):
                self.margin = max(self.config.margin_floor, SHRINK * self.margin)
            self._took = []
