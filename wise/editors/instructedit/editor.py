"""InstructEdit as an editor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wise.editors.hypernetworks.lessons import Lessons
from wise.editors.instructedit.config import InstructEditConfig
from wise.editors.mend.editor import Mend
from wise.instructions.instruction import drawn, instruction
from wise.instructions.sentences import wording
from wise.lm.batch import fitting
from wise.lm.load import LanguageModel
from wise.records import IN_SCOPE, EditRecord, Probe


class InstructEdit(Mend):
    """MEND whose gradient is that of "task, description, prompt" -> target, so that its network can tell tasks apart.

    An edit without a task is introduced by a general sentence.
    """

    name = "instructedit"
    Config = InstructEditConfig

    def __init__(self, lm: LanguageModel, config: Any, layer: int, contexts: Sequence[str] = (), seed: int = 0) -> None:
        super().__init__(lm, config, layer, contexts, seed)
        self.words = wording(self.config.wording)
        """What it says in front of edits; another wording is a trial of other sentences."""

    def asked(self, record: EditRecord, probe: Probe) -> str:
        """See `Editor.asked`: questions in the scope of an edit are asked behind its instruction, as published."""
        return self._told(record, probe.prompt) if probe.kind in IN_SCOPE else probe.prompt

    def augmented(self, record: EditRecord, context_prefixes: int, number: int | None = None) -> list[str]:
        """See `Editor.augmented`: all texts of an edit stand behind its instruction."""
        told = [self._told(record, text) for text in super().augmented(record, context_prefixes, number)]
        return fitting(self.lm, told, record.target)

    def _lessons(self) -> Lessons:
        config: InstructEditConfig = self.config

        def tell(record: EditRecord, prompt: str) -> str:
            return self._told(record, prompt, drawn(record, config.train_seed))

        return Lessons(self.tail, config, self.contexts, self.name, tell, config.plain)

    def _told(self, record: EditRecord, prompt: str, number: int | None = None) -> str:
        """A prompt of an edit behind its instruction, by default that of an edit after training."""
        config: InstructEditConfig = self.config
        if not config.instructed:
            return prompt
        if number is None:
            number = drawn(record, self.seed) if config.instruction is None else config.instruction
        return instruction(record, number, self.words).before(prompt)
