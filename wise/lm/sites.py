"""Where each model family keeps the matrix that is edited: the FFN's down-projection of a layer."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from transformers import PreTrainedModel

from wise.errors import ConfigError, unknown


@dataclass(frozen=True)
class Family:
    """Module paths of one architecture: its list of layers, and the down-projection inside a layer.

    The down-projection's output must be added to the residual stream as it is (no norm behind it):
    `wise.lm.tail` relies on it.
    """

    layers: str
    down: str


LLAMA = Family("model.layers", "mlp.down_proj")

FAMILIES = {
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "gptj": Family("transformer.h", "mlp.fc_out"),
    "gpt_neox": Family("gpt_neox.layers", "mlp.dense_4h_to_h"),
}
"""`config.model_type` -> Family. A new family needs one entry here; the tail test runs over all of them."""


@dataclass(frozen=True)
class Site:
    """The matrix that one editor edits: a linear module `d <- f` of layer `layer` (counted from 0)."""

    layer: int
    name: str
    module: nn.Linear
    blocks: nn.ModuleList

    @property
    def weight(self) -> Tensor:
        """The matrix, (d, f)."""
        return self.module.weight

    @property
    def block(self) -> nn.Module:
        """The layer that holds the matrix."""
        return self.blocks[self.layer]


def find_site(model: PreTrainedModel, layer: int) -> Site:
    """The down-projection of layer `layer`.

    Raises `ConfigError` for a family without an entry in `FAMILIES` and for a layer that is not there.
    """
    kind = model.config.model_type
    if kind not in FAMILIES:
        raise ConfigError(f"{unknown('model family', kind, FAMILIES)}. To add one, see FAMILIES in wise/lm/sites.py")
    family = FAMILIES[kind]
    blocks = model.get_submodule(family.layers)
    if not 0 <= layer < len(blocks):
        raise ConfigError(f"layer {layer} does not exist: '{kind}' has layers 0 to {len(blocks) - 1} here")
    name = f"{family.layers}.{layer}.{family.down}"
    return Site(layer, name, model.get_submodule(name), blocks)
