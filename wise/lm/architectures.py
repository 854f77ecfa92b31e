"""The matrix of a model that is edited: the FFN's down-projection of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import cast

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import ACT2FN
from transformers.pytorch_utils import Conv1D

from wise.errors import ConfigError, unknown
from wise.lm.families import FAMILIES, Family

ACTIVATIONS = ("hidden_act", "hidden_activation", "activation_function")
"""Where model configs name the FFN's activation."""


@dataclass(frozen=True)
class Site:
    """The matrix that one editor edits: a linear module `d <- f` of layer `layer` (counted from 0).

    `blocks` are the model's layers, `final` the modules that follow the last of them, and `backbone` the
    module whose forward pass runs both (in OPT not the base model, which `model(...)` steps around).
    """

    layer: int
    name: str
    module: nn.Linear | Conv1D
    backbone: nn.Module
    blocks: nn.ModuleList
    final: tuple[nn.Module, ...]
    family: Family

    @property
    def entry(self) -> nn.Module:
        """The module whose input the states of texts are read at: the matrix itself."""
        return self.module

    @property
    def weight(self) -> Tensor:
        """The matrix, (d, f), as a view of the module's own parameter."""
        return self.turned(self.module.weight)

    @property
    def own(self) -> nn.Parameter:
        """The module's own parameter, as it is laid out there."""
        return cast(nn.Parameter, self.module.weight)

    @property
    def bias(self) -> Tensor | None:
        """The module's bias (d,), None where it has none."""
        return self.module.bias

    def turned(self, matrix: Tensor) -> Tensor:
        """A matrix (d, f) in the layout of the module's own parameter, or one in that layout as (d, f)."""
        return matrix.T if isinstance(self.module, Conv1D) else matrix

    def parameter(self, weight: Tensor) -> nn.Parameter:
        """`weight` (d, f) in the layout and number format of the module's own parameter, and where it lies; frozen."""
        weight = weight.to(self.module.weight)
        native = weight.T.contiguous() if isinstance(self.module, Conv1D) else weight
        return nn.Parameter(native, requires_grad=False)

    def restored(self, kept: nn.Parameter) -> nn.Parameter:
        """`kept`, which another parameter has taken the place of; where the model was moved or cast since, so is it."""
        now = self.own
        if (kept.dtype, kept.device) == (now.dtype, now.device):
            return kept
        return nn.Parameter(kept.detach().to(now), requires_grad=kept.requires_grad)

    @property
    def block(self) -> nn.Module:
        """The layer that holds the matrix."""
        return self.blocks[self.layer]

    @property
    def behind(self) -> nn.Module | None:
        """The norm between the matrix's output and the residual stream, None where there is none."""
        return None if self.family.behind is None else self.block.get_submodule(self.family.behind)


def require_matrix(name: str, module: nn.Module) -> None:
    """Raise `ConfigError` unless `module`, called `name`, is a linear one whose own parameter is its matrix."""
    weight = module._parameters.get("weight")
    whole = weight is not None and weight.is_floating_point() and weight.dtype.itemsize > 1
    if not (whole and isinstance(module, nn.Linear | Conv1D)):
        kind = f"{type(module).__module__}.{type(module).__qualname__}"
        has = "no matrix of its own" if weight is None else f"a matrix of {str(weight.dtype).removeprefix('torch.')}"
        raise ConfigError(
            f"'{name}' is a {kind} with {has}; only a linear module with its own matrix of floating-point numbers can "
            "be edited: merge an adapter into the model first (merge_and_unload() of peft), and load a model that was "
            "quantised without quantisation"
        )


class FeedForward(Site):
    """The whole FFN of a layer: it is read at its own input (B, L, d), and its output is that of the matrix."""

    @property
    def entry(self) -> nn.Module:
        """The module that the FFN begins with."""
        return self.block.get_submodule(self.family.ffn)


def find_site(model: PreTrainedModel, layer: int) -> Site:
    """The down-projection of layer `layer`.

    Raises `ConfigError` for a family without an entry in `FAMILIES`, for a layer that is not there, for an OPT whose
    layers normalise the residual stream itself, and where an adapter or quantisation has taken the matrix's place.
    """
    family, blocks = _layers(model)
    kind = model.config.model_type
    if not 0 <= layer < len(blocks):
        raise ConfigError(f"layer {layer} does not exist: '{kind}' has layers 0 to {len(blocks) - 1} here")
    if not getattr(model.config, "do_layer_norm_before", True):
        raise ConfigError(
            f"this '{kind}' has do_layer_norm_before=False (as OPT-350m): its norm stands behind the residual sum, so "
            "the matrix's output does not add to the residual stream; choose a model with do_layer_norm_before=True"
        )
    name = f"{family.layers}.{layer}.{family.down}"
    down = model.get_submodule(name)
    require_matrix(name, down)
    final = tuple(module for path in family.final if (module := attrgetter(path)(model)) is not None)
    backbone = model.get_submodule(family.layers.rpartition(".")[0])
    return Site(layer, name, cast(nn.Linear, down), backbone, blocks, final, family)


def feed_forward(site: Site) -> FeedForward:
    """The FFN that ends with the matrix of `site`."""
    return FeedForward(**vars(site))


def activation(model: PreTrainedModel) -> nn.Module:
    """The FFN's activation; raises `ConfigError` for a model of which neither config nor family name it."""
    named = next((name for key in ACTIVATIONS if (name := getattr(model.config, key, None))), None)
    if named is None:
        named = _layers(model)[0].activation
    if named is None:
        raise ConfigError(f"'{model.config.model_type}' does not name its activation ({', '.join(ACTIVATIONS)})")
    return ACT2FN[named]


def default_layer(model: PreTrainedModel, depth: tuple[int, int] | None = None) -> int:
    """The layer at a `depth` such as 5 of 32, by default that of WISE as published: 27 of 32, and 21 of 28 in GPT-J."""
    family, blocks = _layers(model)
    layer, count = depth or family.share
    return len(blocks) * layer // count


def _layers(model: PreTrainedModel) -> tuple[Family, nn.ModuleList]:
    kind = model.config.model_type
    if kind not in FAMILIES:
        raise ConfigError(
            f"{unknown('model family', kind, FAMILIES)}. To add one, name its modules: wise.lm.families.FAMILIES"
            f"['{kind}'] = Family('model.layers', 'mlp.down_proj', ('model.norm',)): its list of layers, the FFN's "
            "down-projection in a layer and the final norm; tests/unit/test_tail.py then says whether they fit"
        )
    family = FAMILIES[kind]
    try:
        return family, cast(nn.ModuleList, model.get_submodule(family.layers))
    except AttributeError as error:
        raise ConfigError(
            f"{type(model).__name__} has no '{family.layers}', where the layers of a {kind} are: something is wrapped "
            "around the model; unwrap it first (of peft: merge_and_unload())"
        ) from error
