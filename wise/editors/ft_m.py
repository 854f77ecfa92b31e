"""FT-M: fine-tuning of one matrix on the ordinary likelihood of the target's tokens, all else masked."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from wise.editors.ft import FineTuning, FineTuningConfig
from wise.editors.shared.loss import Objective
from wise.options import STRICT, NotNegative


@dataclass(frozen=True, config=STRICT)
class MaskedFineTuningConfig(FineTuningConfig):
    """As FT-L, with other defaults; published: Adam at 5e-4, 25 steps, no box (EasyEdit)."""

    objective: Objective = "target_new"
    box: NotNegative = 0.0


class MaskedFineTuning(FineTuning):
    """FT-L with the objective that the model is asked with: each target token behind those before it.

    FT-L reads all target tokens from the distribution behind the prompt, which no weights can make right for
    two different tokens; the comparison of both shows how much of FT-L's weakness is its objective.
    """

    name = "ft-m"
    remedy = "Raise 'lr' or 'steps'."
    Config = MaskedFineTuningConfig
