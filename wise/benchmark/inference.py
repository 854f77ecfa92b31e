"""Generating with an edited model against the unedited one."""

from __future__ import annotations

from typing import Any

from wise.benchmark.measure import alternated, ratios, summary
from wise.benchmark.model import random_texts, words
from wise.editors.base import Editor
from wise.editors.registry import make_editor
from wise.lm.generate import answer_of_length
from wise.lm.load import LanguageModel
from wise.records import EditRecord

EDITORS = ("wise-retrieve", "wise-merge")
EDITS = 4
PROMPT_TOKENS, TARGET_TOKENS, NEW_TOKENS = 30, 4, 16
OPTIONS = {"steps": 2, "context_prefixes": 0}
"""How well an edit was learned does not matter to what its memory costs."""


def benchmark_inference(lm: LanguageModel, layer: int, repeats: int, seed: int) -> dict[str, Any]:
    """For both variants: seconds a generated answer beside the unedited model's, and extra parameters.

    One prompt is an edit's own, which a side memory answers, one is not, which the main memory answers.
    """
    records = _random_edits(lm, seed)
    parameters = sum(parameter.numel() for parameter in lm.model.parameters())
    result = {}
    for name in EDITORS:
        editor = make_editor(name, lm, layer, OPTIONS, seed=seed)
        editor.prepare(records)
        for record in records:
            editor.edit(record)
        extra = editor.extra_parameters()
        result[name] = _ratios(editor, (records[-1].prompt, records[-1].irrelevant), repeats)
        result[name] |= {"extra_parameters": extra, "extra_parameters_ratio": extra / parameters}
        editor.rollback()
    return result


def _ratios(editor: Editor, prompts: tuple[str, str], repeats: int) -> dict[str, Any]:
    """Seconds of one answer from the side memory, from the main memory, and from the unedited model."""
    inside, outside = prompts

    def unedited() -> None:
        with editor.unedited():
            answer_of_length(editor.lm, outside, NEW_TOKENS)

    ways = {
        "side": lambda: answer_of_length(editor.lm, inside, NEW_TOKENS),
        "main": lambda: answer_of_length(editor.lm, outside, NEW_TOKENS),
        "unedited": unedited,
    }
    for way in ways.values():
        way()
    costs, _ = alternated(ways, repeats, editor.lm.device)
    result = {name: summary(values) for name, values in costs.items()}
    return result | {f"ratio_{name}_to_unedited": ratios(result[name], result["unedited"]) for name in ("side", "main")}


def _random_edits(lm: LanguageModel, seed: int) -> list[EditRecord]:
    vocab = lm.model.config.vocab_size
    kinds = {"prompts": PROMPT_TOKENS, "targets": TARGET_TOKENS, "irrelevant": PROMPT_TOKENS}
    texts = {kind: map(words, random_texts(EDITS, length, vocab, seed, kind)) for kind, length in kinds.items()}
    return [
        EditRecord(f"random-{number}", prompt, target, prompt, irrelevant)
        for number, (prompt, target, irrelevant) in enumerate(zip(*texts.values(), strict=True))
    ]
