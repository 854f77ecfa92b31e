"""What the matrix reads at subjects: of one edit's rows, and of training prompts, to see whether wordings matter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wise.editors.base import Editor
from wise.editors.locate.request import last_tokens, subject_end
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.shared.subject import with_subject
from wise.editors.wise.subject_scope import PromptTokens, recognised
from wise.lm.batch import encode_prompts
from wise.lm.questions import reworded
from wise.records import EditRecord
from wise.tail.frozen_states import FrozenStates

BATCH = 32
"""Texts that are read at once."""

FEWEST, MOST = 8, 64
"""Pairs of prompts on which the shares of recognised ones are measured."""


def subject_keys(editor: Editor, record: EditRecord, frozen: FrozenStates) -> Tensor:
    """Inputs (B, f) of the matrix at the last token of the subject in the `frozen` rows of an edit.

    A subject that the record does not have is looked for in the prompt.
    """
    prompts = editor.augmented(record, editor.config.context_prefixes)
    behind = len(record.prompt) - subject_end(with_subject(record)[0])
    targets = [record.target] * len(prompts)
    at = last_tokens(editor.lm, prompts, [len(prompt) - behind for prompt in prompts], targets)
    return frozen.inner[torch.arange(len(at)), torch.tensor(at)]


def prompt_tokens(editor: Editor, texts: Sequence[str]) -> PromptTokens:
    """All tokens of texts, on the unedited model."""
    sequences = encode_prompts(editor.lm, texts)
    return PromptTokens.of([editor.frozen(sequences[i : i + BATCH]) for i in range(0, len(texts), BATCH)])


def shares_recognised(editor: Editor, records: Sequence[EditRecord], metric: Tensor) -> tuple[float, float]:
    """How often prompts are recognised in other wordings by their subject, and by their last token; 0 where not known.

    The pairs are prompts of training records and their paraphrases; where these are few, prompts of this project's own
    about some well-known names, if the tokenizer can read them.
    """
    pairs = _pairs(records)
    if len(pairs) < FEWEST:
        pairs = reworded(editor.lm)
    if len(pairs) < FEWEST:
        return 0.0, 0.0
    prompts, subjects, others = zip(*pairs, strict=True)
    ends = [prompt.rfind(subject) + len(subject) for prompt, subject in zip(prompts, subjects, strict=True)]
    at = last_tokens(editor.lm, prompts, ends)
    tokens = prompt_tokens(editor, prompts)
    counts = torch.bincount(tokens.prompt)
    keys = tokens.inner[counts.cumsum(0) - counts + torch.tensor(at, device=counts.device)]
    by_subject = recognised(keys, prompt_tokens(editor, others), metric)
    last, others_last = (pooled_prompts(editor, texts, "last") for texts in (prompts, others))
    each = PromptTokens(others_last, torch.arange(len(others), device=others_last.device))
    return by_subject, recognised(last, each, metric)


def _pairs(records: Sequence[EditRecord]) -> list[tuple[str, str, str]]:
    """Prompt, subject and a paraphrase of records that have them, one for each subject.

    A prompt behind another text is not another wording.
    """
    found: dict[str, tuple[str, str, str]] = {}
    for record in records:
        others = [p.prompt for p in record.probes if p.kind == "paraphrase" and record.prompt not in p.prompt]
        if others and record.subject.strip() and record.subject in record.prompt:
            found.setdefault(record.subject, (record.prompt, record.subject, others[0]))
    return list(found.values())[:MOST]
