"""One trial: an editor with some options makes development edits and is asked about them, after few first."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
from torch import Tensor

from wise.editors.base import Editor
from wise.editors.registry import make_editor
from wise.editors.shared.own_texts import completed
from wise.evaluate.ask import before_by_question, preedit_rows
from wise.evaluate.grid import plan_runs
from wise.evaluate.stream import Stream, shuffled
from wise.lm.load import LanguageModel
from wise.records import EditRecord
from wise.tuning.candidates import LAYER
from wise.tuning.objective import asked_for, scores


@dataclass
class Bench:
    """A model with development edits, on which trials of one editor are made one after the other.

    The model is loaded, and the unedited model asked, once. What an editor prepares is kept for trials that agree on
    the layer and on the options that it depends on (`Editor.artifact_options`).
    """

    lm: LanguageModel
    editor: str
    layer: int
    records: Sequence[EditRecord]
    train: Sequence[EditRecord]
    contexts: Sequence[str]
    grid: Mapping[int, int]
    seed: int
    batch_size: int = 64
    before: Mapping[tuple[str, int], dict[str, Any]] = field(init=False)
    _artifacts: dict[tuple, dict[str, Tensor]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.records = asked_for(shuffled(self.records, len(self.records), self.seed))
        self.before = before_by_question(pd.DataFrame(preedit_rows(self.lm, self.records, self.batch_size)))

    def attempt(self, options: Mapping[str, Any]) -> Generator[tuple[int, dict[str, float]], None, None]:
        """T and the scores after T edits (see `objective.scores`), from the smallest T on.

        Each T starts from the unedited model, so that a caller who has seen enough can stop. Raises what the editor
        raises, such as `EditError` for a loss that is not finite; the model is then the unedited one again.
        """
        own = {name: value for name, value in options.items() if name != LAYER}
        editor = make_editor(self.editor, self.lm, options.get(LAYER, self.layer), own, self.contexts, self.seed)
        try:
            edits, train = completed(editor, self.records, self.train)
            self._prepare(editor, train)
            for T, chunks in sorted(self.grid.items()):
                stream = Stream(editor, edits, self.before, self.batch_size)
                stream.carry_out(plan_runs({T: chunks}, len(edits)))
                yield T, scores(stream.rows)
        finally:
            editor.rollback()

    def _prepare(self, editor: Editor, train: Sequence[EditRecord]) -> None:
        """Prepare as the workflow does, with an artifact of a former trial where it would be the same."""
        if editor.artifact is None or not editor.learns_from_records():
            editor.prepare(train)
            return
        names = editor.artifact_options
        matter = {name: value for name, value in asdict(editor.config).items() if names is None or name in names}
        key = editor.layer, repr(matter)
        if key not in self._artifacts:
            self._artifacts = {key: editor.make_artifact(train)} | ({} if names is None else self._artifacts)
        editor.use_artifact(self._artifacts[key])
        editor.prepare(train)
