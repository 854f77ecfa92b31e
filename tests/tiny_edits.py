"""Edits that tiny random models can take, and every editor with them: for tests of all editors."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from tests.models import tiny_language_model
from wise.editors.registry import make_editor
from wise.evaluate.ask import ask, questions_of
from wise.records import EditRecord, Probe

QUICK = {
    "ft-l": {"lr": 5e-3, "box": 0.0, "objective": "target_new"},
    "ft-m": {"lr": 5e-3},
    "defer": {"lr": 5e-2},
    "ultraedit": {"lr": 3e-3},
    "locft-bf": {"lr": 5e-3},
    "calinet": {"slots": 8, "epochs": 30, "lr": 2e-2, "context_prefixes": 1},
    "grace": {"lr": 0.3, "steps": 40},
    "memoir": {"lr": 0.5, "steps": 40, "tau": 0.5, "context_prefixes": 2},
    "retrieval": {"threshold": 0.6},
    "serac": {"hidden": 32, "layers": 4, "steps": 40, "batch": 8, "lr": 1e-2, "invented": 0.0, "scope_steps": 40},
    "rome": {"token": "prompt_last"},
    "memit": {"layers": 2, "mom2_weight": 1e-2, "token": "prompt_last"},
    "memit-mass": {"layers": 2, "mom2_weight": 1e-2, "token": "prompt_last"},
    "alphaedit": {"layers": 2, "lr": 0.5, "weight_decay": 1e-3, "clamp": 4.0, "null_threshold": 1e3, "ridge": 1e-2},
    **dict.fromkeys(("mend", "instructedit"), {"rank": 8, "iterations": 15, "lr_alpha": 1e-2, "accumulate": 2}),
    "ke": {"hidden": 16, "cond_dim": 16, "iterations": 40, "lr": 1e-2, "accumulate": 1, "context_prefixes": 1},
    **dict.fromkeys(("wise-merge", "wise-retrieve"), {"steps": 20}),
}
"""Options under which tiny random models can be edited; an editor without an entry runs on its defaults."""

CONTEXTS = ("the city of", "a person was", "works for the")
PROMPTS = [("Ada was born in", "Port Hill"), ("Bo lives in the city of", "North West"), ("Cy works for", "East Hill")]
OTHERS = ["Dee was born in", "Eli lives in", "the person works for", "Gus works for a city", "Hal lives in the East"]


def record(index: int) -> EditRecord:
    prompt, target = PROMPTS[index]
    probes = (Probe("paraphrase", f"the person {prompt}", target), Probe("locality_far", OTHERS[index], "South"))
    return EditRecord(f"edit-{index}", prompt, target, prompt.split()[0], OTHERS[index], probes)


STREAM = [record(index) for index in range(len(PROMPTS))]


@cache
def artifact(name: str, family: str, options: tuple):
    """What an editor prepares; some take longer to make than all edits of a test."""
    editor = make_editor(name, tiny_language_model(family), 2, dict(options), CONTEXTS)
    return editor.make_artifact([record(i) for i in range(3)])


def ready(name: str, family: str = "llama", seed: int = 0, **options):
    options = QUICK.get(name, {}) | options
    editor = make_editor(name, tiny_language_model(family), 2, options, CONTEXTS, seed)
    if editor.artifact is not None:
        editor.use_artifact(artifact(name, family, tuple(options.items())))
    editor.prepare([record(i) for i in range(3)])
    return editor


def edited(name: str, family: str = "llama", count: int = 3, **options):
    editor = ready(name, family, **options)
    for item in STREAM[:count]:
        editor.edit(item)
    return editor


@cache
def _asked(name: str, family: str, count: int):
    return edited(name, family, count)


def asked(name: str, family: str = "llama", count: int = 3):
    """The same editor for all tests that only ask it."""
    return _asked(name, family, count)


def logits(lm, texts=OTHERS):
    ids = lm.tokenizer(list(texts), return_tensors="pt", padding=True)
    with torch.no_grad():
        return lm.model(**{key: ids[key] for key in ("input_ids", "attention_mask")}, use_cache=False).logits


def ask_all(editor, batch_size=64):
    return ask(editor, questions_of(range(len(STREAM)), STREAM), batch_size)


def assert_same_answers(one, other):
    """Equal up to the rounding of states that were first computed in batches of other shapes."""
    for a, b in zip(ask_all(one), ask_all(other), strict=True):
        assert (a.answer.predicted_tokens, a.choice) == (b.answer.predicted_tokens, b.choice)
        assert a.answer.nll == pytest.approx(b.answer.nll, abs=5e-5)
