"""Training MEND's network on the unedited model: edits should hold, in other words too, and change nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wise.editors.hypernetworks.gradients import TokenGradients, token_gradients
from wise.editors.hypernetworks.lessons import Lesson
from wise.editors.hypernetworks.training import HypernetworkTrainer
from wise.editors.mend.network import GradientTransform
from wise.editors.shared.running_moments import RunningStatistics
from wise.records import EditRecord
from wise.seeds import generator

MEASURED = 300
"""About as many training edits tell by which mean and deviation tokens are normalised."""


class Trainer(HypernetworkTrainer[GradientTransform]):
    """L = c_edit * NLL(targets | W + alpha G) + c_loc * KL(p_W || p_(W + alpha G)) on other questions (section 3.3)."""

    def untrained(self, records: Sequence[EditRecord]) -> GradientTransform:
        """The network at its start, with the statistics of all training edits."""
        config, (width, features) = self.config, self.weight.shape
        draw = generator(config.train_seed, self.lessons.label, "network")
        network = GradientTransform(features, width, config.rank, config.alpha, draw).to(self.weight.device)
        network.normalise_by(self._statistics(records))
        return network

    def optimizer(self, network: GradientTransform) -> torch.optim.Optimizer:
        """Adam with a rate of its own for alpha."""
        groups = ((network.layers.parameters(), self.config.lr), ([network.alpha], self.config.lr_alpha))
        return torch.optim.Adam([{"params": parameters, "lr": rate} for parameters, rate in groups])

    def update(self, network: GradientTransform, lesson: Lesson, tokens: TokenGradients) -> Tensor:
        """See `HypernetworkTrainer.update`."""
        return network(tokens.inner, tokens.delta)

    def _statistics(self, records: Sequence[EditRecord]) -> RunningStatistics:
        """Mean and deviation of the tokens [x; d] of training edits, of many every n-th."""
        statistics = RunningStatistics.empty(sum(self.weight.shape), self.weight.device)
        for index in range(0, len(records), max(1, len(records) // MEASURED)):
            tokens = token_gradients(self.tail, self.lessons.edit_rows(records[index], index), self.weight)
            statistics = statistics.updated(torch.cat([tokens.inner, tokens.delta], -1))
        return statistics
