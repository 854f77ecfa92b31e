"""One forward pass up to the edited layer: the states of a batch that an edit leaves as they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wise.lm.architectures import Site
from wise.lm.batch import Batch


@dataclass(frozen=True)
class States:
    """`inner` = x (B, L, f), `output` = y (B, L, d), `hidden` = h (B, L, d); whether layers return (hidden, ...).

    `early` (B, L, d) are the hidden states behind an earlier layer, where they were asked for.
    """

    inner: Tensor
    output: Tensor
    hidden: Tensor
    as_tuple: bool
    early: Tensor | None = None


def read_states(site: Site, batch: Batch, early: Site | None = None) -> States:
    """Run the model as it is on `batch`, exactly as it is padded; nothing behind the site's layer runs.

    The states behind the layer of `early`, in front of the site, are noted on the way.
    """
    seen: dict[str, Tensor] = {}

    def at_entry(_module: nn.Module, args: tuple) -> None:
        seen["inner"] = args[0]

    def at_matrix(_module: nn.Module, _args: tuple, output: Tensor) -> None:
        seen["output"] = output

    def at_layer(_module: nn.Module, _args: tuple, output: Tensor | tuple) -> None:
        raise _LayerReached(output)

    def at_early(_module: nn.Module, _args: tuple, output: Tensor | tuple) -> None:
        seen["early"] = output[0] if isinstance(output, tuple) else output

    hooks = [
        site.entry.register_forward_pre_hook(at_entry),
        site.module.register_forward_hook(at_matrix),
        site.block.register_forward_hook(at_layer),
    ]
    if early is not None:
        hooks.append(early.block.register_forward_hook(at_early))
    try:
        with torch.no_grad():
            site.backbone(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
    except _LayerReached as reached:
        layer = reached.output
    finally:
        for hook in hooks:
            hook.remove()
    shape = batch.input_ids.shape  # OPT's matrix sees (B * L, f)
    as_tuple = isinstance(layer, tuple)
    hidden = layer[0] if as_tuple else layer
    inner, written = seen["inner"].view(*shape, -1), seen["output"].view(*shape, -1)
    return States(inner, written, hidden, as_tuple, seen.get("early"))


class _LayerReached(Exception):
    """Ends a forward pass at the edited layer, with that layer's output."""

    def __init__(self, output: Tensor | tuple) -> None:
        super().__init__()
        self.output = output
