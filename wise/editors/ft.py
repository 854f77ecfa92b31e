"""FT-L: fine-tune one matrix on each edit, within a box around its value before that edit."""

from __future__ import annotations

from typing import Annotated

from pydantic.dataclasses import dataclass
from torch import Tensor

from wise.editors.base import EditOutcome
from wise.editors.mechanisms.weight import WeightEditor
from wise.editors.own_units import OPEN, Own, OwnConstants
from wise.editors.shared.descent import Descent, Preservation
from wise.editors.shared.loss import Objective, edit_loss
from wise.editors.shared.minimise import minimise
from wise.editors.space import Among, Range
from wise.errors import DataError
from wise.lm.batch import encode_prompts
from wise.options import STRICT, AtLeastOne, NotNegative, Positive, Prefixes
from wise.records import EditRecord


@dataclass(frozen=True, config=STRICT)
class FineTuningConfig(OwnConstants):
    """Published values for 7B models: Adam at 5e-4, 25 or 50 steps, `prompt_last`, no KL term (WISE, appendix A)."""

    objective: Objective = "prompt_last"
    """Each target token behind those before it (`target_new`), or all of them behind the prompt (`prompt_last`)."""
    lr: Annotated[Positive, Own(2.0, "step", 0.0005), Range(0.2, 20.0)] = OPEN
    """Step size of Adam."""
    steps: Annotated[AtLeastOne, Range(10, 50)] = 25
    """Most steps of one edit."""
    box: Annotated[NotNegative, Own(0.5, "entry", 0.0005), Range(0.05, 5.0)] = OPEN
    """Largest change of an entry of the matrix by one edit (L-infinity); 0 for any."""
    kl: Annotated[NotNegative, Among((0.0, 0.1, 1.0))] = 0.0
    """Weight of the divergence from the unedited model on the record's `irrelevant` text; 0 for none."""
    weight_decay: NotNegative = 0.0
    """Weight decay of Adam."""
    stop_loss: NotNegative = 1e-2
    """Learning ends when the whole loss is below it, in nats; 0 for never."""
    context_prefixes: Prefixes = 10
    """Random texts that the prompt is learned behind, beside the prompt alone."""


class FineTuning(WeightEditor):
    """Adam on `W` alone: min of NLL + kl * KL(p0 || p) with `|W - W_before| <= box` for every entry.

    The optimiser is fresh for every edit and the box is around the weights before this edit, so that
    changes add up over a stream: the reason why its locality falls with the number of edits.
    """

    name = "ft-l"
    remedy = "Raise 'lr' and 'box'; a target of several tokens needs objective: target_new."
    Config = FineTuningConfig

    @property
    def needs_irrelevant(self) -> bool:
        """Whether the KL term is on, which is measured on such a text."""
        return self.config.kl > 0

    def _learn(self, record: EditRecord) -> EditOutcome:
        config: FineTuningConfig = self.config
        frozen, preservation = self.rows(record, config.context_prefixes), self._preservation(record)
        start = self.site.weight if self._weight is None else self._weight  # (d, f)
        descent = Descent(start, self.site.bias, config.lr, config.weight_decay, config.box)

        def loss() -> Tensor:
            total = edit_loss(self.tail, frozen, descent.output(frozen.inner), config.objective)
            if preservation is not None:
                total = total + config.kl * preservation.divergence(descent.output(preservation.frozen.inner))
            return total

        outcome = minimise(loss, descent.step, config.steps, config.stop_loss, record)
        self._weight = descent.result()
        return outcome

    def _preservation(self, record: EditRecord) -> Preservation | None:
        """What the unedited model says of the unrelated text, where the KL term is on."""
        if not self.config.kl:
            return None
        if not record.irrelevant.strip():
            raise DataError(f"edit '{record.id}' has no 'irrelevant' text, which option 'kl' of {self.name} needs")
        return Preservation(self.tail, self.frozen(encode_prompts(self.lm, [record.irrelevant])))
