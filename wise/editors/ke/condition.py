"""The text of an edit as KE's network reads it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wise.lm.batch import encode
from wise.lm.generate import generate_answers
from wise.lm.load import LanguageModel
from wise.records import EditRecord


def conditions(lm: LanguageModel, records: Sequence[EditRecord], form: str) -> list[tuple[int, ...]]:
    """Token ids for each edit, `form` as in the option `condition`; the model answers as it is now."""
    texts = encode(lm, [record.prompt for record in records], [record.target for record in records])
    if form == "edit_text":
        return [text.ids for text in texts]
    longest = max(len(text.target) for text in texts)
    before = generate_answers(lm, [record.prompt for record in records], longest)
    written = [
        f"{answer} >> {record.target.strip()} || {record.prompt}"
        for answer, record in zip(before, records, strict=True)
    ]
    return [tuple(ids) for ids in lm.tokenizer(written)["input_ids"]]


def known_tokens(texts: Sequence[tuple[int, ...]]) -> Tensor:
    """All tokens of some texts once, sorted."""
    return torch.tensor(sorted({token for text in texts for token in text}), dtype=torch.long)
