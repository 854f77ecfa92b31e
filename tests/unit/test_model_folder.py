"""Folders of models as they are found: old, sharded or in half precision they load; one that was cut does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText

from tests.models import FAMILY_MODELS, tiny_language_model, tiny_tokenizer
from wise.errors import ConfigError
from wise.lm.finite import finite
from wise.lm.load import load_language_model

WEIGHTS = "model.safetensors"


def saved(family: str, folder: Path, **options) -> Path:
    """A tiny model of a family as transformers saves it, with the tokenizer."""
    tiny_language_model(family).model.save_pretrained(folder, **options)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def with_tensors(folder: Path, more: dict[str, torch.Tensor]) -> None:
    """Add tensors to the weights of a folder."""
    save_file(load_file(folder / WEIGHTS) | more, folder / WEIGHTS, {"format": "pt"})


@pytest.mark.parametrize("family", FAMILY_MODELS)
def test_a_model_of_every_family_comes_back_from_its_folder(family: str, tmp_path: Path):
    loaded = load_language_model(saved(family, tmp_path)).model
    ids = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(loaded(ids).logits, tiny_language_model(family).model(ids).logits)


@pytest.mark.parametrize(
    ("family", "left_over"),
    [
        ("gpt2", ["transformer.h.0.attn.bias", "transformer.h.1.attn.masked_bias"]),
        ("gpt_neox", ["gpt_neox.layers.0.attention.bias", "gpt_neox.layers.1.attention.rotary_emb.inv_freq"]),
        ("gptj", ["transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias"]),
        ("llama", ["model.layers.0.self_attn.rotary_emb.inv_freq"]),
    ],
)
def test_tables_that_older_versions_saved_do_no_harm(family: str, left_over: list[str], tmp_path: Path):
    folder = saved(family, tmp_path)
    with_tensors(folder, {name: torch.ones(2) for name in left_over})
    assert load_language_model(folder).model.config.model_type == family


def test_sharded_and_half_precision_weights_are_whole(tmp_path: Path):
    folder = saved("llama", tmp_path / "shards", max_shard_size="20KB")
    assert (folder / f"{WEIGHTS}.index.json").exists()
    load_language_model(folder)
    tiny_language_model().model.half().save_pretrained(tmp_path / "half")
    tiny_tokenizer().save_pretrained(tmp_path / "half")
    assert load_language_model(tmp_path / "half", dtype="float32").model.dtype == torch.float32


def test_a_folder_with_a_layer_too_many_or_too_few_is_refused(tmp_path: Path):
    folder = saved("llama", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    layers = config["num_hidden_layers"]
    with_tensors(folder, {f"model.layers.{layers}.mlp.down_proj.weight": torch.ones(32, 64)})
    with pytest.raises(ConfigError, match=f"beyond what config.json describes 1 weights.*model.layers.{layers}.mlp"):
        load_language_model(folder)
    tensors = load_file(folder / WEIGHTS)
    del tensors["model.layers.0.mlp.down_proj.weight"]
    tensors["model.embed_tokens.copy"] = torch.ones(32 * 64)  # so that the numbers are as many as they should be
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
    with pytest.raises(ConfigError, match="lack 1 weights, such as 'model.layers.0.mlp.down_proj.weight'"):
        load_language_model(folder)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("bad", ["nan", "inf", "-inf"])
def test_one_number_that_is_not_finite_is_found(dtype, bad):
    weight = torch.linspace(-3, 3, 1001).to(dtype)
    assert finite(weight) and finite(weight[:0])
    weight[777] = float(bad)
    assert not finite(weight)


WITH_SIGHT = {
    "qwen3_5": {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32},
    "gemma3": {"image_size": 28, "patch_size": 14, "num_hidden_layers": 6},
    "mistral3": {"image_size": 28, "patch_size": 14, "num_hidden_layers": 6},
}
"""Models that read images: the shape of the part that does, which may have more layers than the text part."""

TEXT_PARTS = {"qwen3_5": "qwen3_5_text", "gemma3": "gemma3_text", "mistral3": "ministral3"}


@pytest.mark.parametrize("kind", WITH_SIGHT)
def test_of_a_model_that_reads_images_the_text_part_is_loaded(kind: str, tmp_path: Path):
    family = TEXT_PARTS[kind]
    text = tiny_language_model(family).model.config.to_dict()
    sight = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2} | WITH_SIGHT[kind]
    tied = text["tie_word_embeddings"]
    config = AutoConfig.for_model(kind, text_config=text, vision_config=sight, tie_word_embeddings=tied)
    whole = AutoModelForImageTextToText.from_config(config).eval()
    whole.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    loaded = load_language_model(tmp_path).model
    assert loaded.config.model_type == family and not any("vision" in name for name, _ in loaded.named_modules())
    ids = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(loaded(ids).logits, whole(ids).logits)
    with_tensors(tmp_path, {"model.layers.4.mlp.down_proj.weight": torch.ones(32, 64)})
    with pytest.raises(ConfigError, match="beyond what config.json describes 1 weights.*model.layers.4.mlp"):
        load_language_model(tmp_path)
