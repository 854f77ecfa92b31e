"""Texts that the model wrote once are kept by its digest, and sampled with a cache of keys and values or without."""

from __future__ import annotations

import json

import pytest
import torch

import wise
from tests.models import VARIED, tiny_language_model
from wise.errors import ConfigError
from wise.lm import contexts
from wise.lm.contexts import write_contexts, write_samples
from wise.lm.load import text_digest
from wise.lm.text_cache import TextCache, cache_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def counted(monkeypatch) -> list[int]:
    """How many texts were really sampled, call by call."""
    calls, sampled = [], contexts._sampled
    monkeypatch.setattr(contexts, "_sampled", lambda *args: calls.append(args[1]) or sampled(*args))
    return calls


@pytest.mark.parametrize("family", VARIED)
def test_keys_and_values_that_are_kept_give_the_same_texts(family, monkeypatch):
    monkeypatch.setattr(contexts, "_drawn_at_once", contexts._drawn)
    lm = tiny_language_model(family)
    lm.model.to(torch.float64)  # rounding could draw another token
    assert write_samples(lm, 12, 8, seed=3) == write_contexts(lm, 12, 8, seed=3)


def test_a_large_vocabulary_is_drawn_from_in_parts(monkeypatch):
    lm = tiny_language_model("llama")
    whole = write_samples(lm, 12, 8, seed=3)
    monkeypatch.setattr(contexts, "DRAWN", 5 * lm.model.config.vocab_size)
    parts = write_samples(lm, 12, 8, seed=3)
    assert len(set(parts)) == 12 and parts == write_samples(lm, 12, 8, seed=3)
    monkeypatch.setattr(contexts, "DRAWN", 12 * lm.model.config.vocab_size)
    assert write_samples(lm, 12, 8, seed=3) == whole, "one part is what it was"


def test_tokens_are_drawn_as_often_as_they_are_likely():
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0, 5.0]]).repeat(50_000, 1)
    wanted = torch.tensor([0.0, 1.0, 2.0, -1.0, float("-inf")]).softmax(0)
    for drawn in (contexts._drawn, contexts._drawn_at_once):
        chosen = drawn(logits.clone(), [4], torch.Generator().manual_seed(1))[:, 0]
        shares = torch.bincount(chosen, minlength=5) / len(chosen)
        assert shares[4] == 0 and torch.allclose(shares, wanted, atol=0.01)


@pytest.mark.parametrize("write", [write_contexts, write_samples])
def test_a_model_without_finite_logits_is_named(write):
    lm = tiny_language_model("llama")
    lm.model.get_output_embeddings().weight.data.fill_(float("nan"))
    with pytest.raises(ConfigError, match="logits are not finite"):
        write(lm, 2, 4, 0)


def test_attach_samples_a_model_once(folder, counted):
    lm = tiny_language_model("llama")
    first = wise.attach(lm, "wise-retrieve")
    assert counted
    counted.clear()
    options, prefixes = first.editor.config, first.editor.contexts
    first.close()
    with wise.attach(lm, "wise-retrieve") as again:
        assert not counted and again.editor.contexts == prefixes and again.editor.config == options
    with wise.attach(lm, "wise-retrieve", cache=False):
        assert counted, "asked not to keep anything"


def test_another_model_seed_or_number_is_sampled_anew(folder):
    lm, other = tiny_language_model("llama"), tiny_language_model("llama", seed=1)
    assert text_digest(lm) == text_digest(tiny_language_model("llama")) != text_digest(other)
    kept = TextCache.of(text_digest(lm))
    assert kept is not None and kept.folder.is_relative_to(folder)
    assert kept.texts(2, 3, 0, lambda: ["a", "b"]) == kept.texts(2, 3, 0, lambda: pytest.fail("kept")) == ["a", "b"]
    for numbers in ((3, 3, 0), (2, 4, 0), (2, 3, 1)):
        assert kept.texts(*numbers, lambda: ["c"]) == ["c"]
    beside = TextCache.of(text_digest(other))
    assert beside is not None and beside.texts(2, 3, 0, lambda: ["d"]) == ["d"]


@pytest.mark.parametrize("content", ["[1, 2]", "{", '"text"', "\xff"])
def test_a_file_that_is_no_list_of_texts_is_made_anew(folder, content, caplog):
    kept = TextCache(folder)
    folder.mkdir()
    (folder / "1x1-0.json").write_bytes(content.encode("latin1"))
    assert kept.texts(1, 1, 0, lambda: ["a"]) == ["a"]
    assert "made anew" in caplog.text and json.loads((folder / "1x1-0.json").read_text()) == ["a"]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").touch()
    assert TextCache(tmp_path / "file" / "folder").texts(1, 1, 0, lambda: ["a"]) == ["a"]
    assert "texts are not kept" in caplog.text


def test_where_texts_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("WISE_CACHE", "off")
    assert cache_folder() is None and TextCache.of("digest") is None
    monkeypatch.setenv("WISE_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "wise-editing"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "wise-editing"
