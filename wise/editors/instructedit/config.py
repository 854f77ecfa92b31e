"""Options of InstructEdit."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from pydantic.dataclasses import dataclass

from wise.editors.mend.config import MendConfig
from wise.editors.space import Range
from wise.instructions.sentences import HELD_OUT, read_wordings
from wise.options import STRICT, AtLeastOne, OneOf, Prefixes


@dataclass(frozen=True, config=STRICT)
class InstructEditConfig(MendConfig):
    """MEND's options, and how edits are instructed. Published runs train for 30,000 iterations of one edit (GPT2-XL)
    or 100,000 (Llama-2), draw records of the largest task most often, and put no random texts before prompts.
    """

    instructed: bool = True
    """Whether an instruction stands in front of each edit; without it this is MEND, trained on several tasks."""
    instruction: Annotated[int, Ge(0), Le(HELD_OUT)] | None = None
    """Number of the sentence that stands in front of edits after training, the last of which no training sees; drawn
    for each edit where it is left out."""
    wording: Annotated[str, OneOf(read_wordings())] = "english"
    """The sentences: in English, or in words that the embedded world's model knows."""
    plain: bool = True
    """Whether training asks each question without its instruction as well, as users will ask it."""
    iterations: Annotated[AtLeastOne, Range(100, 800)] = 500
    """Training edits, one an iteration."""
    context_prefixes: Prefixes = 0
    """Random texts that the prompt is learned behind, beside the prompt alone; published runs have none."""
    balanced: bool = True
    """Whether the tasks of the training records take turns, however many records each has."""
