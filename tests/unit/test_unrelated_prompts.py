"""What editors learn to leave alone is read where questions are decided: at the last token of the prompt."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, STREAM
from wise.editors.registry import make_editor
from wise.editors.shared.own_texts import FEWEST, completed, training_records
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise.rows import edit_rows
from wise.lm.pseudo_edits import pseudo_edits, unrelated
from wise.records import EditRecord

PROMPT, WHOLE = "Dee was born in", "Dee was born in South Hill"
MARKED = [replace(record, irrelevant=WHOLE, irrelevant_prompt=PROMPT) for record in STREAM]
TEXTS = ["Ada was born in South .", "Bo lives in the city", "Cy works for a person", "Dee was born"]


def prepared(name: str, records: list[EditRecord], **options):
    editor = make_editor(name, tiny_language_model(), 2, options, CONTEXTS)
    editor.prepare(records)
    return editor


def last_tokens(editor, *texts: str) -> torch.Tensor:
    return pooled_prompts(editor, list(texts), "last")


@pytest.mark.parametrize("options", [{}, {"irrelevant": 0}, {"positions": "answer"}])
def test_negatives_of_wise_are_the_last_tokens_of_prompts(options):
    editor = prepared("wise-retrieve", MARKED, **options)
    outside = edit_rows(editor, MARKED[0], editor._calibration).outside
    assert torch.equal(outside.inner[0], last_tokens(editor, PROMPT))
    assert not torch.allclose(outside.inner[0], last_tokens(editor, WHOLE))
    whole = edit_rows(editor, replace(MARKED[0], irrelevant_prompt=""), editor._calibration).outside
    assert torch.equal(whole.inner[0], last_tokens(editor, WHOLE)), "a text without a mark is a prompt"


@pytest.mark.parametrize(
    ("convention", "texts"), [("refined", [PROMPT] * 3), ("whitened", [PROMPT, *(record.prompt for record in STREAM)])]
)
def test_units_of_wise_are_those_of_prompts(convention, texts):
    """Of unrelated prompts, and where updates are whitened those of the edits too, each once."""
    editor = prepared("wise-merge", MARKED, convention=convention)
    assert torch.equal(editor._calibration.queries, last_tokens(editor, *texts))
    asked, whole = (
        prepared("wise-merge", records, convention=convention).measured()
        for records in ([replace(r, irrelevant=PROMPT, irrelevant_prompt="") for r in STREAM], WHOLE_TEXTS)
    )
    assert editor.measured() == asked != whole


WHOLE_TEXTS = [replace(record, irrelevant_prompt="") for record in MARKED]


@pytest.mark.parametrize("convention", ["paper", "official"])
def test_published_conventions_read_the_whole_text(convention):
    options = {"convention": convention} | ({"group": 2} if convention == "official" else {})
    editor = make_editor("wise-retrieve", tiny_language_model(), 2, options, CONTEXTS)
    marked, whole = (edit_rows(editor, record, None).outside for record in (MARKED[0], WHOLE_TEXTS[0]))
    assert torch.equal(marked.inner, whole.inner) and torch.equal(marked.span, whole.span)


def test_the_mean_of_memoir_is_that_of_prompts():
    editor = prepared("memoir", MARKED)
    prompts = [text for record in STREAM for text in (record.prompt, PROMPT)]
    assert torch.allclose(editor.prepared["mean"], last_tokens(editor, *prompts).mean(0), atol=1e-6)


def test_own_samples_are_marked_and_none_is_the_edit_itself():
    for record in pseudo_edits(TEXTS):
        assert record.irrelevant_prompt and record.irrelevant.startswith(record.irrelevant_prompt)
        assert record.unrelated_prompt != record.prompt
    assert unrelated(TEXTS)[0] == (TEXTS[0], "Ada was born")
    assert unrelated(["two  spaces here now"]) == [("two  spaces here now", "")], "no beginning as it was cut"


def test_what_is_taken_from_others_keeps_its_mark():
    lm = tiny_language_model()
    bare = [EditRecord(f"t{i}", "Ada lives in", "Hill", "Ada") for i in range(FEWEST)]
    own = training_records(lm, bare)
    assert all(record.irrelevant and record.irrelevant.startswith(record.irrelevant_prompt) for record in own)
    assert any(record.irrelevant_prompt for record in own)
    editor = make_editor("wise-retrieve", lm, 2, {}, CONTEXTS)
    edits, _ = completed(editor, bare[:2], [replace(bare[2], irrelevant=WHOLE, irrelevant_prompt=PROMPT)] * FEWEST)
    assert {(record.irrelevant, record.irrelevant_prompt) for record in edits} == {(WHOLE, PROMPT)}
