"""Models whose layers lie on several devices: every editor does the same as on one, and nothing lies on a wrong one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

import wise
from tests.accelerator import accelerator
from tests.closeness import assert_same_to_rounding
from tests.models import VARIED, tiny_language_model
from tests.tiny_edits import CONTEXTS, OTHERS, QUICK, STREAM
from wise.editors.registry import EDITORS, editor_class, make_editor
from wise.errors import ConfigError
from wise.evaluate.ask import ask, questions_of
from wise.lm.answer import answer_pairs
from wise.lm.architectures import find_site
from wise.lm.batch import encode
from wise.lm.generate import generate_answers
from wise.lm.load import LanguageModel, load_language_model, wrap
from wise.lm.spread import devices_named, spread
from wise.memory.store import load_into, save
from wise.tail.tail import Tail

SHORT = {"steps": 3, "epochs": 1, "iterations": 2, "scope_steps": 3}

CASES = "calinet", "ft-l", "grace", "locft-bf", "memit", "mend", "serac", "wise-retrieve"
"""One editor of each kind: they reach a model in different ways, and look at different parts of it."""

if os.environ.get("ALL_EDITORS"):  # some seconds more
    CASES = tuple(EDITORS)

DEVICES = [torch.device("cuda", number) for number in range(3)]
PLACES = [1, 0, 2, 1]
"""The device of each layer; layer 2 is the edited one, and that behind it is not at home."""


def course(name: str, lm: LanguageModel, folder: Path) -> dict[str, Any]:
    """An edit, questions and free answers; saved, loaded, and asked again."""
    known = editor_class(name).Config.__dataclass_fields__
    options = QUICK.get(name, {}) | {key: value for key, value in SHORT.items() if key in known}
    first = make_editor(name, lm, 2, options, CONTEXTS[:1])
    first.prepare(STREAM)
    first.edit_all(STREAM[:1])
    found = {"asked": replies(first), "written": generate_answers(lm, PROMPTS, 2)}
    save(first, folder)
    first.rollback()
    second = make_editor(name, lm, 2, options, CONTEXTS[:1])
    load_into(second, folder)
    found["loaded"] = replies(second)
    second.rollback()
    return found


def replies(editor) -> list:
    return ask(editor, questions_of(range(1), STREAM))


PROMPTS = [record.prompt for record in STREAM[:2]]


@pytest.mark.parametrize("name", CASES)
def test_an_editor_does_the_same_on_a_model_that_is_spread(name, tmp_path):
    expected = course(name, tiny_language_model(), tmp_path / "one")
    with accelerator():
        lm = tiny_language_model()
        spread(lm.model, DEVICES, PLACES)
        assert lm.device == torch.device("cuda", 0)
        found = course(name, lm, tmp_path / "several")
        assert [next(layer.parameters()).device.index for layer in lm.model.model.layers] == [1, 0, 0, 1]
    assert_same_to_rounding(found, expected)


@pytest.mark.parametrize("family", VARIED)
def test_a_model_of_every_family_reads_and_writes_the_same(family):
    def said(lm: LanguageModel) -> tuple:
        sequences = encode(lm, OTHERS[:2], ["South", "Port Hill"])
        tail = Tail(lm, find_site(lm.model, 1))
        frozen = tail.frozen(sequences)
        return tail.logits(frozen, frozen.output).tolist(), generate_answers(lm, OTHERS[:2], 2)

    expected = said(tiny_language_model(family))
    with accelerator():
        lm = tiny_language_model(family)
        spread(lm.model, DEVICES, PLACES)
        assert_same_to_rounding(said(lm), expected)


@pytest.fixture
def folder(tmp_path):
    lm = tiny_language_model()
    lm.model.save_pretrained(tmp_path / "model")
    lm.tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_is_shared_among_the_devices_that_are_named(folder, monkeypatch):
    free = {0: 250_000, 1: 100_000}  # bytes; a layer has 37 kB, embeddings and head 8 kB
    with accelerator():
        monkeypatch.setattr("wise.lm.spread.free_bytes", lambda device: free[device.index])
        lm = load_language_model(folder, device="cuda:0,cuda:1")
        assert [next(layer.parameters()).device.index for layer in lm.model.model.layers] == [1, 0, 0, 0]
        assert devices_named(lm.model) == "2 x a pretended GPU"
        free[0] = 100_000
        with pytest.raises(ConfigError, match="2 devices with 0.0, 0.0 GiB free are too few.* bfloat16"):
            load_language_model(folder, device="cuda:0,cuda:1")


def test_an_edited_layer_goes_home_and_the_model_is_edited_through_the_library(folder, monkeypatch):
    with accelerator():
        monkeypatch.setattr("wise.lm.spread.free_bytes", lambda device: 250_000)
        editor = wise.attach(folder, "ft-m", layer=0, device="cuda:0,cuda:1", lr=5e-3, steps=2)
        assert editor.editor.site.weight.device == editor.editor.lm.device == torch.device("cuda", 0)
        editor.edit(STREAM[0])
        assert editor.ask(PROMPTS[0], 2).answer == generate_answers(editor.editor.lm, PROMPTS[:1], 2)[0]


def test_a_model_that_was_offloaded_is_refused():
    lm = tiny_language_model()
    lm.model.hf_device_map = {"model.layers.0": 0, "model.layers.1": "disk"}
    with pytest.raises(ConfigError, match="model.layers.1.*spread"):
        wrap(lm.model, lm.tokenizer, "tiny")


def test_a_model_that_was_dispatched_already_is_taken_over():
    expected = [answer.nll for answer in answer_pairs(tiny_language_model(), PROMPTS, ["South", "South"])]
    with accelerator():
        lm = tiny_language_model()
        hooks = pytest.importorskip("accelerate.hooks")
        lm.model.to("cuda:0")
        lm.model.model.layers[0].to("cuda:1")
        for module, device in ((lm.model.model.layers[0], "cuda:1"), (lm.model.lm_head, "cuda:0")):
            hooks.add_hook_to_module(module, hooks.AlignDevicesHook(execution_device=device))
        lm.model.hf_device_map = {"model.layers.0": 1, "": 0}
        taken = wrap(lm.model, lm.tokenizer, "tiny")
        assert not any(hasattr(module, "_hf_hook") for module in lm.model.modules())
        assert_same_to_rounding([answer.nll for answer in answer_pairs(taken, PROMPTS, ["South", "South"])], expected)
