"""Every editor works in half precision, as large models are loaded: it edits, answers, comes back from a file."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tests.models import tiny_language_model
from wise.editors.registry import EDITORS, make_editor
from wise.evaluate.ask import ask, questions_of
from wise.lm.generate import generate_answers
from wise.lm.load import wrap
from wise.memory.store import load_into, save
from wise.records import EditRecord, Probe

QUICK: dict[str, dict[str, Any]] = {
    "grace": {"relative": True},
    "serac": {"hidden": 32, "layers": 1, "steps": 3, "batch": 4, "scope_steps": 3},
    "rome": {"token": "prompt_last", "covariance": True, "steps": 3},
    "memit": {"layers": 2, "mom2_weight": 1e-2, "steps": 3},
    "memit-mass": {"layers": 2, "mom2_weight": 1e-2, "steps": 3},
    "alphaedit": {"layers": 2, "steps": 3, "null_threshold": 1e3},
    "mend": {"rank": 8, "iterations": 3},
    "instructedit": {"rank": 8, "iterations": 3},
    "ke": {"hidden": 8, "cond_dim": 8, "iterations": 3},
}
STEPS = ("ft-l", "ft-m", "ft-ewc", "defer", "grace", "memoir", "wise-merge", "wise-retrieve")


def record(index: int) -> EditRecord:
    name = ("Ada", "Bo", "Cy")[index]
    prompt, other = f"{name} was born in", ("Dee lives in", "Eli works for", "Fay was a")[index]
    probes = (Probe("paraphrase", f"the person {prompt}", "Port Hill"), Probe("locality_far", other, "South"))
    return EditRecord(f"edit-{index}", prompt, "Port Hill", name, other, probes)


RECORDS = [record(index) for index in range(3)]


def half(name: str, dtype: torch.dtype = torch.bfloat16):
    tiny = tiny_language_model()
    lm = wrap(tiny.model.to(dtype), tiny.tokenizer, "tiny")
    options = QUICK.get(name, {}) | ({"steps": 3} if name in STEPS else {})
    return make_editor(name, lm, 2, options, ("the city of", "a person was"))


DESCENDING = ("ft-l", "ft-m", "ft-ewc", "locft-bf", "defer", "grace", "memoir")
"""Editors that train numbers of the model's own format."""


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, torch.bfloat16) for name in sorted(EDITORS)), *((name, torch.float16) for name in DESCENDING)],
)
def test_an_editor_works_in_half_precision(name: str, dtype: torch.dtype, tmp_path):
    editor = half(name, dtype)
    editor.prepare(RECORDS)
    outcomes = editor.edit_all(RECORDS[:2])
    assert name == "none" or all(math.isfinite(outcome.loss) for outcome in outcomes)
    questions = questions_of(range(2), RECORDS[:2])
    replies = ask(editor, questions, 8)
    assert all(math.isfinite(nll) for reply in replies for nll in reply.answer.nll)
    free = generate_answers(editor.lm, [RECORDS[0].prompt, RECORDS[2].prompt], 3)
    assert len(free) == 2 and editor.lm.model.dtype == dtype
    save(editor, tmp_path / "memory")
    editor.rollback()
    again = half(name, dtype)
    load_into(again, tmp_path / "memory")
    for before, after in zip(replies, ask(again, questions, 8), strict=True):
        assert before.answer.predicted_tokens == after.answer.predicted_tokens and before.choice == after.choice
