"""Whether a model recognises prompts in other words by their subject or by their last token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from wise.editors.base import Editor
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.cosine_scope import Reader, recognised
from wise.editors.wise.prompt_reader import PromptReader
from wise.editors.wise.subject_reader import SubjectReader, subject_site
from wise.errors import ConfigError
from wise.lm.questions import reworded
from wise.records import EditRecord

FEWEST, MOST = 8, 64
"""Pairs of prompts on which the shares of recognised ones are measured."""

RECOGNISED = 0.5
"""Least share of prompts that have to be recognised in other wordings."""

Scope = Literal["subject", "prompt", "activation"]
"""What tells which prompts are in the scope of an edit."""

Shares = tuple[float, float]
"""Of prompts that are recognised in other words by their subject, and by their last token."""


def told_by(config: WiseConfig, shares: Shares | None) -> Scope:
    """What tells scopes, see `WiseConfig.scope`; `shares` where they were measured."""
    if config.scope != "measured":
        return config.scope
    by_subject, by_prompt = shares or (0.0, 0.0)
    if max(by_subject, by_prompt) < RECOGNISED:
        return "activation"
    return "subject" if by_subject >= by_prompt else "prompt"


def chosen_reader(
    editor: Editor, records: Sequence[EditRecord], texts: Sequence[str], queries: Tensor
) -> tuple[Reader | None, Shares | None]:
    """What reads the signs of edits, None where scopes are told by activation; and the shares that were compared.

    `texts` are unrelated prompts, of which every third is held back, and `queries` (n, f) the matrix's inputs at the
    last tokens of the others. Raises `ConfigError` where subjects shall tell scopes, and no layer is in front of the
    edited one.
    """
    config: WiseConfig = editor.config
    site = subject_site(editor.lm, editor.layer)
    if config.scope == "subject" and site is None:
        raise ConfigError(f"{editor.name}: scope 'subject' reads a layer in front of the edited one, not layer 0")
    if config.scope == "activation" or not config.whiten or config.routing != "prefill":
        return None, None
    learned_with = [text for index, text in enumerate(texts) if index % 3 < 2]
    subjects = None if site is None else SubjectReader.measured(editor.lm, site, learned_with)
    prompts = PromptReader.measured(editor, queries)
    shares = shares_recognised(editor, records, subjects, prompts) if config.scope == "measured" else None
    readers = {"subject": subjects, "prompt": prompts, "activation": None}
    return readers[told_by(config, shares)], shares


def shares_recognised(
    editor: Editor, records: Sequence[EditRecord], subjects: SubjectReader | None, prompts: PromptReader
) -> Shares:
    """How often prompts are recognised in other wordings by their subject, and by their last token; 0 where not known.

    The pairs are prompts of training records and their paraphrases; where these are few, prompts of this project's own
    about some well-known names, if the tokenizer can read them.
    """
    pairs = _pairs(records)
    if len(pairs) < FEWEST:
        pairs = reworded(editor.lm)
    if len(pairs) < FEWEST:
        return 0.0, 0.0
    asked, names, others = zip(*pairs, strict=True)
    by_prompt = recognised(prompts.tokens(editor, asked).units, prompts.tokens(editor, others))
    if subjects is None:
        return 0.0, by_prompt
    ends = [prompt.rfind(name) + len(name) for prompt, name in zip(asked, names, strict=True)]
    return recognised(subjects.last(editor, asked, ends), subjects.tokens(editor, others)), by_prompt


def _pairs(records: Sequence[EditRecord]) -> list[tuple[str, str, str]]:
    """Prompt, subject and another wording of records that have them, one for each subject.

    That is a paraphrase, or else free text about the edited fact. A prompt behind another text is not another wording.
    """
    found: dict[str, tuple[str, str, str]] = {}
    for record in records:
        other = next((w for kind in ("paraphrase", "ood") for w in _wordings(record, kind)), None)
        if other and record.subject.strip() and record.subject in record.prompt:
            found.setdefault(record.subject, (record.prompt, record.subject, other))
    return list(found.values())[:MOST]


def _wordings(record: EditRecord, kind: str) -> list[str]:
    return [p.prompt for p in record.probes if p.kind == kind and not p.prompt.endswith(record.prompt)]
