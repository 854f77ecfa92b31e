"""What fits on a GPU is known before anything is loaded, and a hub model arrives whole or not at all."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from transformers import GPT2Config, LlamaConfig

from tests.models import tiny_language_model
from wise.cli import main
from wise.editors.registry import EDITORS, editor_class
from wise.errors import ConfigError
from wise.files import read_json
from wise.lm.devices import find_device
from wise.lm.gpu_memory import GIB, Sizes, check_memory, estimate, require_memory, sizes_of
from wise.options import build_options

LLAMA_2_7B = Sizes(6_738_415_616, 4096, 11008, 32000, 32, 32, 202_383_360)


def test_sizes_come_from_the_config_alone(tmp_path):
    lm = tiny_language_model()
    lm.model.config.save_pretrained(tmp_path)
    assert sizes_of(tmp_path) == Sizes(lm.model.num_parameters(), 32, 64, len(lm.tokenizer), 4, 4, 9280)
    GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=100).save_pretrained(tmp_path / "gpt2")
    assert sizes_of(tmp_path / "gpt2").inner == 128
    with pytest.raises(ConfigError, match="cannot load"):
        sizes_of(tmp_path / "absent")


def test_a_7b_model_is_sized_without_its_weights(tmp_path):
    config = LlamaConfig(hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32)
    config.save_pretrained(tmp_path)
    assert sizes_of(tmp_path) == LLAMA_2_7B


def editor_bytes(name, options=None):
    """What an editor says that it needs beside Llama-2-7B."""
    kind = editor_class(name)
    return kind.memory_need(build_options(kind.Config, options or {}, name), LLAMA_2_7B.width, LLAMA_2_7B.inner)


def test_weights_states_and_editors_are_counted():
    full, half = (estimate(LLAMA_2_7B, dtype, 8) for dtype in ("float32", "bfloat16"))
    assert full.weights == 2 * half.weights == 4 * LLAMA_2_7B.parameters
    assert full.editor == full.states == 0
    assert estimate(LLAMA_2_7B, "bfloat16", 64).activations > half.activations
    needs = {name: estimate(LLAMA_2_7B, "bfloat16", 8, editor_bytes(name)) for name in EDITORS}
    assert needs["none"].editor == 0 and all(needs[name].total >= half.total for name in EDITORS)
    assert needs["none"].states == needs["ft-l"].states > 0 and needs["ft-l"].activations > needs["none"].activations
    matrix = 4 * LLAMA_2_7B.width * LLAMA_2_7B.inner
    assert editor_bytes("wise-merge", {"shards": 6}) - editor_bytes("wise-merge") >= 2 * 4 * matrix
    masked = editor_bytes("wise-merge", {"convention": "refined", "shards": 1})
    assert editor_bytes("wise-merge") - masked >= 3 * 8 * LLAMA_2_7B.inner**2, "second moments and their inverse"
    five = editor_bytes("memit", {"layers": 5})
    assert five > 5 * 4 * LLAMA_2_7B.inner**2
    assert five > 1.5 * editor_bytes("memit", {"layers": 1})
    assert editor_bytes("rome", {"covariance": True}) > editor_bytes("rome")


def test_what_fits_is_logged_and_what_does_not_is_refused_with_advice(caplog):
    need = estimate(LLAMA_2_7B, "float32", 32, editor_bytes("wise-merge"))
    with caplog.at_level(logging.INFO):
        require_memory(need, 79 * GIB, 80 * GIB, "cuda:0", "float32", 32)
    assert "on cuda:0, 79.0 GiB free of 80.0 GiB" in caplog.text
    with pytest.raises(ConfigError, match="bfloat16.*batch_size than 32.*another GPU"):
        require_memory(need, 23 * GIB, 24 * GIB, "cuda:0", "float32", 32)
    with pytest.raises(ConfigError) as refused:
        require_memory(estimate(LLAMA_2_7B, "bfloat16", 1), 3 * GIB, 4 * GIB, "cuda:0", "bfloat16", 1)
    assert "bfloat16 instead" not in str(refused.value) and "batch_size" not in str(refused.value)


def test_a_cpu_is_not_asked():
    check_memory("no such model", None, [torch.device("cpu")], "float32", 64)


def test_a_device_that_is_not_there_is_named():
    assert find_device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match="device 'gpu'.*'auto'"):
        find_device("gpu")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub with one model; `files` may be changed, and `broken` breaks a download off once."""
    state = SimpleNamespace(files=["config.json", "model.safetensors"], broken=False, asked=[])

    def info(_self, name, revision=None):
        return SimpleNamespace(sha="abc123", siblings=[SimpleNamespace(rfilename=file) for file in state.files])

    def download(name, revision, local_dir, allow_patterns, ignore_patterns):
        state.asked.append((name, revision))
        local_dir.mkdir(exist_ok=True)
        for file in state.files:
            if state.broken and file.endswith("safetensors"):
                state.broken = False
                raise ConnectionError("broken off")
            (local_dir / file).write_text("whole")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", info)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    return state


def test_a_broken_off_download_leaves_no_model_and_goes_on(hub, tmp_path, caplog):
    hub.broken = True
    command = ["fetch", "--model", "me/it", "--out", str(tmp_path / "it")]
    assert main(command) == 2 and "stays in" in caplog.text
    assert not (tmp_path / "it").exists() and (tmp_path / ".it.partial/config.json").exists()
    assert main(command) == 0
    assert read_json(tmp_path / "it/fetched.json") == {"model": "me/it", "revision": "abc123"}
    assert (tmp_path / "it/model.safetensors").exists() and not (tmp_path / ".it.partial").exists()
    assert hub.asked == [("me/it", "abc123")] * 2, "pinned to the commit that was looked at"


def test_pickled_weights_are_refused_before_they_are_downloaded(hub, tmp_path, caplog):
    hub.files = ["config.json", "pytorch_model.bin", "onnx/model.safetensors"]
    assert main(["fetch", "--model", "me/it", "--out", str(tmp_path / "it")]) == 2
    assert "no safetensors weights" in caplog.text and not hub.asked
