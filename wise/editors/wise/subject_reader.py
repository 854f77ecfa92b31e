"""What a model reads of subjects, in one of its first layers.

At the last token of a prompt the wording may count more than what it is about: in real questions another question of
the same wording is nearer to an edit there than its own paraphrase. What a model knows of a subject is gathered in the
first layers, at the subject's last token (ROME, arXiv 2202.05262, section 2; Geva et al., arXiv 2304.14767), which
paraphrases share. So that state is the sign of an edit, and every token of a prompt may be of its subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from wise.editors.base import Editor
from wise.editors.decision import Reading
from wise.editors.locate.editor import LocateEditor
from wise.editors.locate.request import last_tokens, subject_end
from wise.editors.shared.subject import with_subject
from wise.editors.wise.cosine_scope import PromptTokens, units
from wise.editors.wise.routing import span_of
from wise.editors.wise.whitening import KEYS, joined_moments, whitening
from wise.lm.architectures import Site, default_layer, find_site
from wise.lm.batch import collate, encode_prompts
from wise.lm.load import LanguageModel
from wise.records import EditRecord
from wise.tail.frozen_states import FrozenStates
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
    """Reads tokens behind the layer of `site`; `factor` (d, d) is of the states' metric, see `whitening`."""

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

    def seen(self, reading: Reading) -> tuple[Tensor, Tensor]:
        """See `Reader.seen`: all tokens of the prompt."""
        return units(cast(Tensor, reading.early), self.factor), span_of(reading, "prompt")

    def tokens(self, editor: Editor, texts: Sequence[str]) -> PromptTokens:
        """See `Reader.tokens`."""
        with editor.unedited():
            rows = hidden_states(editor.lm, self.site, texts)
        prompt = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor([len(row) for row in rows]))
        return PromptTokens(units(torch.cat(rows), self.factor), prompt.to(self.factor.device))

    def signs(self, editor: Editor, record: EditRecord, frozen: FrozenStates) -> Tensor:
        """The subject of an edit (n, d): in its prompt, alone and behind random texts, and with nothing around it.

        A word at the beginning of a text is often other tokens than in the middle, so all of them count. A subject that
        the record does not have is looked for in the prompt.
        """
        record = with_subject(record)[0]
        behind = len(record.prompt) - subject_end(record)
        prompts = editor.augmented(record, editor.config.context_prefixes)
        name = record.subject.strip()
        ends = [*(len(prompt) - behind for prompt in prompts), len(name)]
        return self.last(editor, [*prompts, name], ends)

    def last(self, editor: Editor, texts: Sequence[str], ends: Sequence[int]) -> Tensor:
        """The token (n, d) that holds the character in front of `end` in each text."""
        with editor.unedited():
            rows = hidden_states(editor.lm, self.site, texts)
        at = last_tokens(editor.lm, texts, ends)
        return units(torch.stack([row[index] for row, index in zip(rows, at, strict=True)]), self.factor)


def hidden_states(lm: LanguageModel, site: Site, texts: Sequence[str]) -> list[Tensor]:
    """Hidden states (L, d) behind the layer of `site`, of each text."""
    sequences = encode_prompts(lm, texts)
    rows: list[Tensor] = []
    for first in range(0, len(texts), BATCH):
        part = sequences[first : first + BATCH]
        hidden = read_states(site, collate(part, lm.pad, lm.device)).hidden
        rows += [row[: len(sequence.ids)] for row, sequence in zip(hidden, part, strict=True)]
    return rows
