"""Where each model family keeps what editors work on: its layers, and the FFN's down-projection in them."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Family:
    """Module paths of one architecture, as `wise.tail.tail` needs them.

    `layers`: its list of layers. `down`: the down-projection inside a layer, whose output is added to
    the residual stream as it is, or through the norm `behind` inside the layer. `final`: what the
    model applies behind its last layer, in order; a path that holds None in some model is left out.
    `query`: the projection inside a layer that gives queries and nothing else, None where queries, keys
    and values come out of one matrix. `share`: the edited layer as published, (layer, of how many). `ffn`: the
    module inside a layer whose input is the FFN's; `gated`: whether the FFN multiplies two up-projections. `trims`:
    whether a layer can be run at some tokens alone; not where attention masks by the place that a query has among those
    that it is given (GPT-Neo). `activation`: the FFN's, where the model's config does not name it.
    """

    layers: str
    down: str
    final: tuple[str, ...]
    behind: str | None = None
    query: str | None = "self_attn.q_proj"
    share: tuple[int, int] = (27, 32)
    ffn: str = "mlp"
    gated: bool = True
    trims: bool = True
    activation: str | None = None


LLAMA = Family("model.layers", "mlp.down_proj", ("model.norm",))
UNGATED = replace(LLAMA, gated=False)
POST_NORM = replace(LLAMA, behind="post_feedforward_layernorm")
GPT2 = Family("transformer.h", "mlp.c_proj", ("transformer.ln_f",), query=None, gated=False)
OPT = Family(
    "model.decoder.layers",
    "fc2",
    ("model.decoder.final_layer_norm", "model.decoder.project_out"),
    ffn="fc1",
    gated=False,
)

FAMILIES = {
    "llama": LLAMA,
    "mistral": LLAMA,
    "ministral": LLAMA,
    "ministral3": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "qwen3_5_text": LLAMA,
    "smollm3": LLAMA,
    "stablelm": LLAMA,
    "helium": LLAMA,
    "ernie4_5": LLAMA,
    "hunyuan_v1_dense": LLAMA,
    "gemma": LLAMA,
    "gemma2": POST_NORM,
    "gemma3_text": POST_NORM,
    "olmo": LLAMA,
    "olmo2": POST_NORM,
    "olmo3": POST_NORM,
    "exaone4": POST_NORM,
    "glm": LLAMA,
    "glm4": replace(LLAMA, behind="post_mlp_layernorm"),
    "arcee": UNGATED,
    "apertus": UNGATED,
    "nemotron": UNGATED,
    "starcoder2": replace(UNGATED, down="mlp.c_proj"),
    "phi": replace(UNGATED, down="mlp.fc2", final=("model.final_layernorm",)),
    "phi3": replace(LLAMA, query=None),
    "lfm2": Family(
        "model.layers", "feed_forward.w2", ("model.embedding_norm",), query=None, ffn="feed_forward", activation="silu"
    ),
    "gptj": Family(
        "transformer.h", "mlp.fc_out", ("transformer.ln_f",), query="attn.q_proj", share=(21, 28), gated=False
    ),
    "codegen": replace(GPT2, down="mlp.fc_out"),
    "gpt2": GPT2,
    "gpt_bigcode": GPT2,
    "gpt_neo": replace(GPT2, query="attn.attention.q_proj", trims=False),
    "gpt_neox": Family("gpt_neox.layers", "mlp.dense_4h_to_h", ("gpt_neox.final_layer_norm",), query=None, gated=False),
    "bloom": replace(GPT2, down="mlp.dense_4h_to_h", activation="gelu_new"),
    "opt": OPT,
    "biogpt": replace(OPT, layers="biogpt.layers", final=("biogpt.layer_norm",)),
}
"""`config.model_type` -> Family. A new family needs one entry here; the tests of the tail run over all of them."""
