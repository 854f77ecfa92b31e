"""Tiny random models of every supported family, with one word-level tokenizer, for tests."""

from __future__ import annotations

from functools import cache

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from wise.lm.families import FAMILIES
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

SAME_HEADS = {k: v for k, v in LLAMA_SHAPE.items() if k != "head_dim"}
"""For configs that have no head size of their own, which is then d over the heads."""

ONE_HEAD_EACH = {k: v for k, v in LLAMA_SHAPE.items() if k not in ("num_key_value_heads", "head_dim")}
GPT_SHAPE = {"n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 64}
WINDOWS = {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"] * 2}

FAMILY_MODELS = {
    "llama": LLAMA_SHAPE,
    "mistral": LLAMA_SHAPE,
    "ministral": LLAMA_SHAPE | WINDOWS,
    "ministral3": LLAMA_SHAPE,
    "qwen2": LLAMA_SHAPE,
    "qwen3": LLAMA_SHAPE,
    "qwen3_5_text": LLAMA_SHAPE
    | {
        "layer_types": ["linear_attention", "full_attention"] * 2,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
    },
    "smollm3": SAME_HEADS | {"no_rope_layers": [1, 0, 1, 0]},
    "stablelm": SAME_HEADS,
    "helium": LLAMA_SHAPE,
    "ernie4_5": LLAMA_SHAPE,
    "hunyuan_v1_dense": LLAMA_SHAPE,
    "gemma": LLAMA_SHAPE,
    "gemma2": LLAMA_SHAPE | WINDOWS | {"final_logit_softcapping": 5.0, "query_pre_attn_scalar": 8},
    "gemma3_text": LLAMA_SHAPE | WINDOWS | {"query_pre_attn_scalar": 8},
    "olmo": SAME_HEADS,
    "olmo2": SAME_HEADS,
    "olmo3": SAME_HEADS | WINDOWS,
    "exaone4": LLAMA_SHAPE | WINDOWS,
    "glm": LLAMA_SHAPE,
    "glm4": LLAMA_SHAPE,
    "arcee": SAME_HEADS,
    "apertus": SAME_HEADS,
    "nemotron": LLAMA_SHAPE,
    "starcoder2": SAME_HEADS,
    "phi": SAME_HEADS,
    "phi3": SAME_HEADS,
    "lfm2": SAME_HEADS | {"layer_types": ["conv", "full_attention"] * 2},
    "gptj": GPT_SHAPE | {"rotary_dim": 4},
    "codegen": GPT_SHAPE | {"rotary_dim": 4},
    "gpt2": GPT_SHAPE,
    "gpt_bigcode": GPT_SHAPE,
    "gpt_neo": {
        "hidden_size": 32,
        "num_layers": 4,
        "num_heads": 4,
        "max_position_embeddings": 64,
        "attention_types": [[["global", "local"], 2]],
        "window_size": 4,
    },
    "gpt_neox": ONE_HEAD_EACH,
    "bloom": {"hidden_size": 32, "n_layer": 4, "n_head": 4},
    "opt": {k: v for k, v in ONE_HEAD_EACH.items() if k != "intermediate_size"} | {"ffn_dim": 64},
    "biogpt": ONE_HEAD_EACH,
}


VARIED = (*{layout: name for name, layout in reversed(FAMILIES.items())}.values(), "gemma3_text", "qwen3_5_text")
"""One family of each layout, and those that scale embeddings or have more than attention. Where the layout and the way
to the logits are all that counts, tests take these.
"""


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Word-level, with a first token in front of every text."""
    vocabulary = {word: index for index, word in enumerate(["<pad>", "<unk>", "<bos>", "<eos>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<bos>", eos_token="<eos>"
    )


def tiny_language_model(family: str = "llama", seed: int = 0, attention: str | None = None, **shape) -> LanguageModel:
    """A random model of 4 layers; the same for the same seed.

    `attention` names an implementation of attention, None is the family's own; `shape` changes the config.
    """
    tokenizer = tiny_tokenizer()
    special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "vocab_size": len(tokenizer)}
    config = AutoConfig.for_model(family, **FAMILY_MODELS[family] | special | shape)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
        for parameter in model.parameters():  # wider than the default, so that an edit can be seen
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.1)
    return wrap(model, tokenizer, f"tiny-{family}")


SENTENCES = [
    "Ada was born in South", "Bo lives in the city of West", "Cy works for Port", "Dee was born in North",
    "Eli lives in the city of South", "Fay works for East", "Gus was born in West", "Hal lives in the city of East",
]  # fmt: skip
"""What the taught model knows."""


@cache
def _taught_weights() -> dict[str, torch.Tensor]:
    lm = tiny_language_model()
    batch = lm.tokenizer([f"{text} ." for text in SENTENCES], return_tensors="pt", padding=True)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.Adam(lm.model.requires_grad_(True).parameters(), lr=5e-3)
    for _ in range(100):
        optimizer.zero_grad()
        lm.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss.backward()
        optimizer.step()
    return {name: tensor.detach().clone() for name, tensor in lm.model.state_dict().items()}


def taught_language_model() -> LanguageModel:
    """The tiny Llama after it has learned `SENTENCES` by heart, as a model that knows something."""
    lm = tiny_language_model()
    lm.model.load_state_dict(_taught_weights())
    return lm
