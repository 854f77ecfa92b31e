"""What a model reads of subjects, in one of its first layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wise.editors.base import Editor
from wise.editors.locate.editor import LocateEditor
from wise.editors.locate.request import last_tokens, subject_end
from wise.editors.shared.subject import with_subject
from wise.editors.wise.subject_scope import PromptTokens
from wise.editors.wise.whitening import KEYS, joined_moments, whitening
from wise.lm.architectures import Site, default_layer, find_site
from wise.lm.batch import collate, encode_prompts
from wise.lm.load import LanguageModel
from wise.records import EditRecord
from wise.tail.states import read_states

RIDGE = 0.1
"""Of the metric, as a share of its mean eigenvalue."""

BATCH = 32
"""Texts that are read at once."""


def subject_site(lm: LanguageModel, layer: int) -> Site | None:
    """The layer behind which subjects are read: where ROME writes facts, but in front of the edited `layer`.

    None where no layer is in front of it.
    """
    early = min(default_layer(lm.model, LocateEditor.depth), layer - 1)
    return None if early < 0 else find_site(lm.model, early)


@dataclass(frozen=True)
class SubjectReader:
    """Reads tokens as vectors of length 1, behind the layer of `site`.

    `factor` C (d, d) of the states' metric P = C C^T, see `whitening`: cosines of vectors x C are cosines in it.
    """

    site: Site
    factor: Tensor

    @classmethod
    def measured(cls, lm: LanguageModel, site: Site, texts: Sequence[str]) -> SubjectReader:
        """With the metric of the states of unrelated `texts`, as many of them as it takes."""
        enough, rows = KEYS * site.weight.shape[0], []
        for first in range(0, len(texts), BATCH):
            rows += hidden_states(lm, site, texts[first : first + BATCH])
            if sum(map(len, rows)) >= enough:
                break
        firsts, others, lasts = (
            torch.cat([row[part] for row in rows]).double() for part in (slice(1), slice(1, None), slice(-1, None))
        )
        moments = torch.stack([firsts.T @ firsts, others.T @ others])  # (d, n) x (n, d)
        metric = whitening(joined_moments(moments, lasts), RIDGE)
        return cls(site, torch.linalg.cholesky(metric).float())

    def units(self, hidden: Tensor) -> Tensor:
        """Vectors of length 1 (..., d) of states (..., d)."""
        return torch.nn.functional.normalize(hidden.to(self.factor) @ self.factor, dim=-1)  # (..., d) x (d, d)

    def tokens(self, lm: LanguageModel, texts: Sequence[str]) -> PromptTokens:
        """All tokens of texts."""
        rows = hidden_states(lm, self.site, texts)
        prompt = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor([len(row) for row in rows]))
        return PromptTokens(self.units(torch.cat(rows)), prompt.to(self.factor.device))

    def subjects(self, editor: Editor, record: EditRecord) -> Tensor:
        """The subject of an edit (n, d): in its prompt, alone and behind random texts, and with nothing around it.

        A word at the beginning of a text is often other tokens than in the middle, so all of them count. A subject that
        the record does not have is looked for in the prompt.
        """
        record = with_subject(record)[0]
        behind = len(record.prompt) - subject_end(record)
        prompts = editor.augmented(record, editor.config.context_prefixes)
        name = record.subject.strip()
        ends = [*(len(prompt) - behind for prompt in prompts), len(name)]
        with editor.unedited():
            return self.last(editor.lm, [*prompts, name], ends)

    def last(self, lm: LanguageModel, texts: Sequence[str], ends: Sequence[int]) -> Tensor:
        """The token (n, d) that holds the character in front of `end` in each text."""
        rows = hidden_states(lm, self.site, texts)
        at = last_tokens(lm, texts, ends)
        return self.units(torch.stack([row[index] for row, index in zip(rows, at, strict=True)]))


def hidden_states(lm: LanguageModel, site: Site, texts: Sequence[str]) -> list[Tensor]:
    """Hidden states (L, d) behind the layer of `site`, of each text."""
    sequences = encode_prompts(lm, texts)
    rows: list[Tensor] = []
    for first in range(0, len(texts), BATCH):
        part = sequences[first : first + BATCH]
        hidden = read_states(site, collate(part, lm.pad, lm.device)).hidden
        rows += [row[: len(sequence.ids)] for row, sequence in zip(hidden, part, strict=True)]
    return rows
