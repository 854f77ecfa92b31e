"""Saved memories: whole or absent whatever happens while they are written, and refused where they do not belong."""

from __future__ import annotations

import json
import os

import pytest
import torch

import wise
from tests.unit.test_api import EDITS, attached, pair
from wise.errors import ConfigError, DataError
from wise.files import read_json, write_json
from wise.memory.folder import FILES, read_folder
from wise.memory.manifest import base_of
from wise.memory.store import load_into


@pytest.fixture
def memory(tmp_path):
    attached(count=2).save_pretrained(tmp_path / "memory")
    return tmp_path / "memory"


def test_the_edit_log_has_every_field(memory):
    assert read_folder(memory).edits == EDITS[:2]
    assert sorted(path.name for path in memory.iterdir()) == sorted(FILES)


def test_a_memory_without_edits_is_a_memory(tmp_path):
    attached().save_pretrained(tmp_path)
    assert wise.load(tmp_path, pair()).edits == []


def test_other_files_in_the_folder_are_left_alone(memory):
    (memory / "notes.txt").write_text("mine")
    attached(count=1).save_pretrained(memory)
    assert (memory / "notes.txt").read_text() == "mine" and len(read_folder(memory).edits) == 1


@pytest.mark.parametrize("name", ["config.json", "memory.safetensors", "edits.jsonl"])
def test_a_missing_or_truncated_file_is_named(memory, name):
    path = memory / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=rf"{name}(, line \d+)?: (truncated|not valid JSON)"):
        wise.load(memory, pair())
    path.unlink()
    with pytest.raises(DataError, match=f"{name}: missing"):
        wise.load(memory, pair())


def test_no_folder():
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        wise.load("nowhere")


@pytest.mark.parametrize("schema", [None, 1, 3])
def test_another_schema_is_refused(memory, schema):
    config = read_json(memory / "config.json") | {"schema": schema}
    write_json(memory / "config.json", config)
    with pytest.raises(ConfigError, match=f"schema is {schema}, this version reads 2"):
        wise.load(memory, pair())


def test_a_config_with_another_number_is_refused(memory):
    config = read_json(memory / "config.json")
    write_json(memory / "config.json", config | {"seed": config["seed"] + 1})
    with pytest.raises(DataError, match="config.json: changed since it was saved"):
        wise.load(memory, pair())
    del config["files"]["config.json"]  # as it was saved before configs had a digest
    write_json(memory / "config.json", config)
    with wise.load(memory, pair()) as editor:
        assert editor.edits


def test_a_config_without_a_key_is_refused(memory):
    config = read_json(memory / "config.json")
    del config["base"]
    write_json(memory / "config.json", config)
    with pytest.raises(DataError, match="lacks the key 'base'"):
        wise.load(memory, pair())


def test_another_base_model_is_refused_and_both_are_named(memory):
    model, tokenizer = pair(seed=1)
    model.config.name_or_path = "another"
    with pytest.raises(ConfigError, match="belongs to 'llama' .*, not to 'another' .*; it is another model"):
        wise.load(memory, (model, tokenizer))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"name": "wise-merge"}, "editor is 'wise-retrieve', this editor has 'wise-merge'"),
        ({"shards": 3}, "options is .*'shards': 1.*, this editor has .*'shards': 3"),
    ],
)
def test_another_editor_or_option_is_refused_and_the_memory_at_hand_stays(memory, other, message):
    editor = attached(count=1, **other)
    with pytest.raises(ConfigError, match=message):
        load_into(editor.editor, memory)
    assert editor.edits == EDITS[:1]


def test_the_digest_is_that_of_the_stored_values():
    model, tokenizer = pair()
    stored = []
    for dtype in (torch.float32, torch.bfloat16, torch.float32):  # the last holds the rounded values
        with wise.attach((model.to(dtype), tokenizer), "ft-l", layer=2) as editor:
            stored.append(base_of(editor.editor))
    original, rounded, widened = stored
    assert rounded["sha256"] == widened["sha256"] != original["sha256"]
    assert [base["dtype"] for base in stored] == ["float32", "bfloat16", "float32"]


def test_a_base_that_loading_has_rounded_is_explained(memory):
    model, tokenizer = pair()
    with pytest.raises(ConfigError, match="the checkpoint's values: try dtype float32, or it is another model"):
        wise.load(memory, (model.to(torch.bfloat16), tokenizer))


def test_a_crash_before_the_commit_keeps_the_old_memory(memory, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("wise.memory.folder.write_text", fail)
        attached(count=3).save_pretrained(memory)
    assert wise.load(memory, pair()).edits == EDITS[:2]
    assert sorted(path.name for path in memory.iterdir()) == sorted(FILES)
    (memory / ".new-left").mkdir()  # what a killed process leaves behind
    attached(count=3).save_pretrained(memory)
    assert wise.load(memory, pair()).edits == EDITS and not (memory / ".new-left").exists()


@pytest.mark.parametrize("moved", range(len(FILES)))
def test_a_crash_behind_the_commit_gives_the_new_memory(memory, monkeypatch, moved):
    left, replace = [moved], os.replace

    def fail_behind(source, target):
        if ".commit" in str(source):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("wise.memory.folder.os.replace", fail_behind)
        attached(count=3).save_pretrained(memory)
    assert wise.load(memory, pair()).edits == EDITS
    attached(count=1).save_pretrained(memory)
    assert wise.load(memory, pair()).edits == EDITS[:1]
    assert sorted(path.name for path in memory.iterdir()) == sorted(FILES)


def test_every_line_of_the_log_is_a_record(memory):
    rows = [json.loads(line) for line in (memory / "edits.jsonl").read_text().splitlines()]
    assert rows[1]["irrelevant"] == EDITS[1].irrelevant and rows[0]["probes"] == []
