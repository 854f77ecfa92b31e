"""KE as an editor."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wise.editors.hypernetworks.editor import HypernetworkEditor
from wise.editors.hypernetworks.gradients import TokenGradients
from wise.editors.hypernetworks.lessons import Lessons
from wise.editors.ke.condition import conditions
from wise.editors.ke.config import KEConfig
from wise.editors.ke.network import UpdateNetwork
from wise.editors.ke.training import ConstrainedTrainer, Trainer, build, update_of
from wise.records import EditRecord


class KE(HypernetworkEditor):
    """W <- W + s * (gradient o A + B), where a network that reads the edit says A, B and s; A and B have rank one."""

    name = "ke"
    Config = KEConfig
    matrices = 12

    def _trainer(self) -> Trainer:
        config: KEConfig = self.config
        lessons = Lessons(self.tail, config, self.contexts, self.name, paraphrases=config.paraphrase_loss)
        return ConstrainedTrainer(lessons) if config.objective == "constrained" else Trainer(lessons)

    def _untrained(self, tensors: dict[str, Any]) -> UpdateNetwork:
        return build(self.lm, self.site, self.config, tensors["known"].cpu(), 0)

    def _update(self, record: EditRecord, tokens: TokenGradients) -> Tensor:
        with self.unedited():
            (condition,) = conditions(self.lm, [record], self.config.condition)
        return update_of(self._network, self.site, self.config, condition, tokens)
