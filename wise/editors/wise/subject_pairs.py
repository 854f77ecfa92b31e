"""Whether a model recognises prompts in other words rather by their subject or by their last token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wise.editors.base import Editor
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.subject_reader import SubjectReader, subject_site
from wise.editors.wise.subject_scope import PromptTokens, recognised
from wise.errors import ConfigError
from wise.lm.questions import reworded
from wise.records import EditRecord

FEWEST, MOST = 8, 64
"""Pairs of prompts on which the shares of recognised ones are measured."""

RECOGNISED = 0.5
"""Least share of prompts that have to be recognised in other wordings by their subject."""


def chosen_reader(
    editor: Editor, records: Sequence[EditRecord], texts: Sequence[str], metric: Tensor | None
) -> tuple[SubjectReader | None, tuple[float, float] | None]:
    """What reads subjects where they tell scopes, see `WiseConfig.scope`; and the shares that were compared for it.

    `texts` are unrelated prompts, of which every third is held back. Raises `ConfigError` where subjects shall tell
    scopes, and no layer is in front of the edited one.
    """
    config: WiseConfig = editor.config
    site = subject_site(editor.lm, editor.layer)
    if config.scope == "subject" and site is None:
        raise ConfigError(f"{editor.name}: scope 'subject' reads a layer in front of the edited one, not layer 0")
    measured = config.scope == "measured" and config.whiten > 0 and config.routing == "prefill"
    if site is None or not (measured or config.scope == "subject"):
        return None, None
    learned_with = [text for index, text in enumerate(texts) if index % 3 < 2]
    reader = SubjectReader.measured(editor.lm, site, learned_with)
    if not measured or metric is None:
        return reader, None
    shares = shares_recognised(editor, records, reader, metric)
    by_subject, by_last_token = shares
    return reader if by_subject >= max(RECOGNISED, by_last_token) else None, shares


def shares_recognised(
    editor: Editor, records: Sequence[EditRecord], reader: SubjectReader, metric: Tensor
) -> tuple[float, float]:
    """How often prompts are recognised in other wordings by their subject, and by their last token; 0 where not known.

    The pairs are prompts of training records and their paraphrases; where these are few, prompts of this project's own
    about some well-known names, if the tokenizer can read them. Last tokens are compared as the edited matrix reads
    them, in the `metric` (f, f) of its inputs.
    """
    pairs = _pairs(records)
    if len(pairs) < FEWEST:
        pairs = reworded(editor.lm)
    if len(pairs) < FEWEST:
        return 0.0, 0.0
    prompts, subjects, others = zip(*pairs, strict=True)
    ends = [prompt.rfind(subject) + len(subject) for prompt, subject in zip(prompts, subjects, strict=True)]
    by_subject = recognised(reader.last(editor.lm, prompts, ends), reader.tokens(editor.lm, others))
    keys, tokens = (pooled_prompts(editor, texts, "last").to(metric) for texts in (prompts, others))  # (n, f)
    towards = keys @ metric  # (n, f) x (f, f)
    towards = towards / (towards * keys).sum(-1, keepdim=True)
    by_last = recognised(towards, PromptTokens(tokens, torch.arange(len(others), device=tokens.device)))
    return by_subject, by_last


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
