"""Tiny random models of every supported family, with one word-level tokenizer, for tests."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from wise.lm.load import LanguageModel, wrap

WORDS = (
    "the a city person of was born in lives works for Ada Bo Cy Dee Eli Fay Gus Hal North South East West Port Hill . ?"
).split()

LLAMA_SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
}

FAMILY_MODELS = {
    "llama": LLAMA_SHAPE,
    "mistral": LLAMA_SHAPE,
    "qwen2": LLAMA_SHAPE,
    "qwen3": LLAMA_SHAPE,
    "gptj": {"n_embd": 32, "n_layer": 4, "n_head": 4, "rotary_dim": 4, "n_positions": 64},
    "gpt_neox": {k: v for k, v in LLAMA_SHAPE.items() if k not in ("num_key_value_heads", "head_dim")},
}


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Word-level, with a first token in front of every text."""
    vocabulary = {word: index for index, word in enumerate(["<pad>", "<unk>", "<bos>", "<eos>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<bos>", eos_token="<eos>"
    )


def tiny_language_model(family: str = "llama", seed: int = 0) -> LanguageModel:
    """A random model of 4 layers; the same for the same seed."""
    tokenizer = tiny_tokenizer()
    special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "vocab_size": len(tokenizer)}
    config = AutoConfig.for_model(family, **FAMILY_MODELS[family], **special)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # wider than the default, so that an edit can be seen
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.1)
    return wrap(model, tokenizer, f"tiny-{family}")
