"""What a model and an editor need on a GPU, estimated before anything is loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from wise.errors import ConfigError, refusing
from wise.lm.architectures import default_layer, find_site
from wise.lm.devices import free_bytes
from wise.lm.load import DTYPES
from wise.lm.shares import GIB, places

LOG = logging.getLogger("wise.memory")

CACHED_STATES = 2 * GIB
"""Most that a `wise.tail.tail.Tail` keeps of texts that it has read."""
LENGTH = 256
"""Tokens of a text: the datasets of the WISE paper have no longer ones (appendix A caps them at 254)."""
TARGET = 32
"""Tokens of an answer whose logits are held at a time, on average over a batch."""
TRAINED_ROWS = 16
"""Rows of an edit: the prompt, ten prefixed ones and what is outside of its scope."""


EditorNeed = Callable[[int, int], int]
"""Bytes that an editor takes for edited matrices of (d, f)."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of a model: all parameters, and d, f, V, attention heads and layers; `layer`, the parameters of one."""

    parameters: int
    width: int
    inner: int
    vocabulary: int
    heads: int
    layers: int
    layer: int = 0


@dataclass(frozen=True)
class Need:
    """Bytes by what they are for; `total` is their sum."""

    weights: int
    editor: int
    states: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.editor + self.states + self.activations


def sizes_of(path: str | Path, revision: str | None = None) -> Sizes:
    """Read from a model's config alone; no weight is loaded. Raises `ConfigError` for a folder without a config."""
    with refusing(f"cannot load a language model from '{path}'", ConfigError):
        config = AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=False).get_text_config()
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    site = find_site(model, default_layer(model))
    (width, inner), layer = site.weight.shape, sum(part.numel() for part in site.block.parameters())
    heads, layers = config.num_attention_heads, config.num_hidden_layers
    return Sizes(model.num_parameters(), width, inner, config.vocab_size, heads, layers, layer)


def estimate(sizes: Sizes, dtype: str, rows: int, editor: int | None = None) -> Need:
    """Upper bounds for a job that asks `rows` questions at once.

    `editor`: bytes of the editor that the job edits with, 0 for one that trains nothing, None where nothing is edited.
    """
    size = DTYPES[dtype].itemsize
    state = LENGTH * (3 * sizes.inner + 10 * sizes.width) * size  # of one text in one layer
    attention = sizes.heads * LENGTH**2 * 4
    asked = rows * (state + attention)
    behind = 1 + sizes.layers // 6  # layers behind an edit at the published depth, whose states a gradient needs
    trained = TRAINED_ROWS * behind * (state + attention) if editor else 0
    logits = rows * TARGET * sizes.vocabulary * (size + 8)
    return Need(
        weights=sizes.parameters * size,
        editor=editor or 0,
        states=0 if editor is None else CACHED_STATES,
        activations=max(asked, trained) + logits,
    )


def require_memory(need: Need, free: int, total: int, device: str, dtype: str, rows: int) -> None:
    """Log what a job needs; raise `ConfigError` with advice where `free` of the device's `total` bytes are too few."""
    found = f"about {need.total / GIB:.1f} GiB on {device}, {free / GIB:.1f} GiB free of {total / GIB:.1f} GiB"
    parts = ", ".join(f"{name} {getattr(need, name) / GIB:.1f}" for name in vars(need))
    LOG.info("needs %s (%s)", found, parts)
    if need.total <= free:
        return
    advice = [] if DTYPES[dtype].itemsize <= 2 else [f"dtype bfloat16 instead of {dtype}"]
    advice += [f"a smaller batch_size than {rows}"] if rows > 1 else []
    advice += ["fewer prefixes or shards of the editor"] if need.editor else []
    raise ConfigError(f"needs {found} ({parts}); try {', '.join([*advice, 'another GPU, or device cpu'])}")


def check_memory(
    path: str | Path,
    revision: str | None,
    devices: Sequence[torch.device],
    dtype: str,
    rows: int,
    editors: Collection[EditorNeed] = (),
) -> None:
    """`require_memory` for the job at hand on a GPU, and for that of `editors` that needs most; nothing on a CPU.

    Of several `devices` the first one holds its layers and all that is worked with, the others hold layers and the
    states of texts inside of them.
    """
    if devices[0].type != "cuda":
        return
    sizes = sizes_of(path, revision)
    needs = [estimate(sizes, dtype, rows, bytes_of(sizes.width, sizes.inner)) for bytes_of in editors]
    largest = max(needs or [estimate(sizes, dtype, rows)], key=lambda need: need.total)
    free = [free_bytes(device) for device in devices]
    for number, device in enumerate(devices):
        need = largest if len(devices) == 1 else _part(largest, sizes, dtype, free, number)
        total = torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else free[number]
        require_memory(need, free[number], total, str(device), dtype, rows)


def _part(need: Need, sizes: Sizes, dtype: str, free: Sequence[int], number: int) -> Need:
    """What the device of that number needs, among several with so many bytes `free`."""
    layer = sizes.layer * DTYPES[dtype].itemsize
    where = places(layer, sizes.layers, need.weights - layer * sizes.layers, free)
    if number:
        return Need(layer * where.count(number), 0, 0, need.activations)
    return replace(need, weights=need.weights - layer * (sizes.layers - where.count(0)))
