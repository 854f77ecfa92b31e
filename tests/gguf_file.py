"""A tiny model as llama.cpp would store it, for tests of what reads such files."""

from __future__ import annotations

from pathlib import Path

from wise.lm.load import LanguageModel

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def write_gguf(lm: LanguageModel, path: Path) -> Path:
    """Write a tiny Qwen2 with a byte-level tokenizer of letters; needs the package gguf."""
    from gguf import MODEL_ARCH, GGUFWriter, get_tensor_name_map

    config = lm.model.config
    writer = GGUFWriter(path, "qwen2")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*LETTERS[: config.vocab_size - 2], "ab", "<|endoftext|>"])
    writer.add_token_types([1] * (config.vocab_size - 1) + [3])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(config.vocab_size - 1)
    names = get_tensor_name_map(MODEL_ARCH.QWEN2, config.num_hidden_layers)
    for name, tensor in lm.model.state_dict().items():
        writer.add_tensor(names.get_name(name, (".weight", ".bias")), tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
