"""What one edit is learned from: its rows at the site, and what is outside of its scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from wise.editors.base import Editor
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.cosine_scope import Reader
from wise.editors.wise.routing import Calibration, Scope, training_span
from wise.editors.wise.training import Rows
from wise.errors import ConfigError
from wise.lm.batch import Batch, collate, encode, encode_prompts, tokenize
from wise.lm.load import LanguageModel
from wise.records import EditRecord
from wise.seeds import generator
from wise.tail.tail import FrozenStates, Tail

UNPREPARED = "{}: call prepare(train_records) before the first edit, margins depend on it"


def edit_rows(
    editor: Editor, record: EditRecord, calibration: Calibration | None, reader: Reader | None = None
) -> Rows:
    """The edit's prompt, alone and behind random contexts, with its target; and what is outside of its scope.

    `calibration` has the unrelated prompts that are outside beside the record's own text; a `reader` reads the edit's
    signs. Raises `ConfigError` where the former is missing, and where there is nothing outside.
    """
    config: WiseConfig = editor.config
    if config.positions == "padded":
        if not record.irrelevant.strip():
            raise ConfigError(f"edit '{record.id}': positions 'padded' need the record's own 'irrelevant' text")
        prompts = editor.augmented(record, config.context_prefixes)
        return padded_rows(editor.tail, editor.lm, prompts, record.target, record.irrelevant)
    frozen = editor.rows(record, config.context_prefixes)
    signs = None if reader is None else reader.signs(editor, record, frozen)
    outside = _outside(editor, record, calibration)
    return Rows(frozen, training_span(frozen.batch, config.positions), outside, signs=signs)


def _outside(editor: Editor, record: EditRecord, calibration: Calibration | None) -> Scope:
    """Texts outside the scope of an edit: the record's own and some of the measured ones.

    Where one token decides, it is the last of the *prompt*, as it will be of every question; where the scores of
    several tokens are averaged, the whole text is read, as in the paper and the released code.
    """
    config, own = editor.config, record.irrelevant.strip()
    if config.positions in ("prompt", "tokens") and own:
        return scope_of(editor.frozen(encode_prompts(editor.lm, [record.irrelevant])), config.positions)
    queries = [pooled_prompts(editor, [record.unrelated_prompt], "last")] if own else []
    if config.irrelevant:
        if calibration is None:
            raise ConfigError(UNPREPARED.format(editor.name))
        draw = generator(editor.seed, "irrelevant", len(editor.edits))
        others = calibration.learned_with if config.threshold == "between" else calibration.queries
        chosen = torch.randperm(len(others), generator=draw, device=draw.device)[: config.irrelevant]
        queries.append(others[chosen.to(others.device)])
    if not queries:
        raise ConfigError(f"edit '{record.id}': without an 'irrelevant' text the router cannot learn")
    return queries_scope(torch.cat(queries), editor.site.weight, editor.site.bias)


def padded_rows(tail: Tail, lm: LanguageModel, prompts: Sequence[str], target: str, irrelevant: str) -> Rows:
    """As the released code feeds them: the edit's rows and the irrelevant text in one batch, padded on the left.

    Every position enters the score, padding included. An irrelevant text that lies in the prompt gives no
    row of its own: its tokens are in scope, all other positions of the edit's rows are out of it.
    """
    edit, own = encode(lm, prompts, [target] * len(prompts)), encode_prompts(lm, [irrelevant])
    batch = collate([*edit, *own], lm.pad, lm.device, side="left")
    inside = subject_span(lm, prompts, target, irrelevant, batch) if irrelevant in prompts[0] else None
    return rows_of(tail.read(batch), inside)


def rows_of(frozen: FrozenStates, inside: Tensor | None = None, beyond: Tensor | None = None) -> Rows:
    """Rows of a batch whose last row is the irrelevant text, all positions in the score.

    With spans `inside` and `beyond` (B - 1, L) of the edit's rows, the last row is left out of it;
    `beyond` is all that is not inside unless it is given.
    """
    edit, own = subset(frozen, slice(0, -1)), subset(frozen, slice(-1, None))
    if inside is not None:
        return Rows(edit, inside, ~inside if beyond is None else beyond, training_span(edit.batch, "padded"))
    return Rows(edit, training_span(edit.batch, "padded"), scope_of(own, "padded"))


def scope_of(frozen: FrozenStates, positions: str) -> Scope:
    """Texts as they are scored while an edit is learned."""
    return Scope(frozen.inner, frozen.output, training_span(frozen.batch, positions))


def subset(frozen: FrozenStates, rows: slice) -> FrozenStates:
    """Some rows of a batch, padded as they are."""
    batch = frozen.batch
    part = Batch(batch.input_ids[rows], batch.attention_mask[rows], batch.start[rows], batch.length[rows])
    kinds = {kind: getattr(frozen, kind) for kind in ("inner", "output", "hidden", "early")}
    return replace(frozen, batch=part, **{kind: None if of is None else of[rows] for kind, of in kinds.items()})


def subject_span(lm: LanguageModel, prompts: Sequence[str], target: str, subject: str, batch: Batch) -> Tensor:
    """Tokens of `subject` in each row (B, L), the last time that it occurs in the prompt."""
    span = torch.zeros(len(prompts), batch.input_ids.shape[1], dtype=torch.bool)
    tokens = tokenize(lm, prompts, [target] * len(prompts))
    for row, (prompt, (_, offsets)) in enumerate(zip(prompts, tokens, strict=True)):
        first = prompt.rindex(subject)
        padding = int(batch.length[row]) - len(offsets)
        for index, (start, end) in enumerate(offsets):
            span[row, padding + index] = start < first + len(subject) and end > first and end > start
    return span.to(batch.input_ids.device)


def queries_scope(queries: Tensor, weight: Tensor, bias: Tensor | None) -> Scope:
    """Single tokens (n, f) as texts of one position, with their unedited outputs."""
    base = torch.nn.functional.linear(queries, weight, bias)  # (n, f) x (f, d)
    return Scope(queries[:, None], base[:, None], torch.ones_like(queries[:, :1], dtype=torch.bool))
