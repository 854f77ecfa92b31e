"""What a model and an editor need on a GPU, estimated before anything is loaded."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from wise.errors import ConfigError
from wise.lm.architectures import default_layer, find_site
from wise.lm.load import DTYPES

LOG = logging.getLogger("wise.memory")

GIB = 2**30
CACHED_STATES = 2 * GIB
"""Most that a `wise.tail.tail.Tail` keeps of texts that it has read."""
LENGTH = 256
"""Tokens of a text: the datasets of the WISE paper have no longer ones (appendix A caps them at 254)."""
TARGET = 32
"""Tokens of an answer whose logits are held at a time, on average over a batch."""
TRAINED_ROWS = 16
"""Rows of an edit: the prompt, ten prefixed ones and what is outside of its scope."""

MATRICES = {"none": 0, "retrieval": 0, "grace": 1, "serac": 1, "defer": 4, "memoir": 4, "ft-ewc": 8, "mend": 12}
"""Copies of the edited matrix (d, f) in float32 that an editor holds while it learns: the memory, its gradient,
the optimiser's states, masks. Others need `OTHER_MATRICES`."""
OTHER_MATRICES = 5
LAYERS = {"rome": 1, "memit": 5, "memit-mass": 5, "alphaedit": 5}
"""Layers whose second moments (f, f) an editor holds, unless its options say how many."""
SQUARES, SOLVING, EIGENVECTORS = 3, 6, 8
"""Copies of a second moment in float32: for each layer itself and its factor in float64; and what solving takes, or
finding eigenvectors as AlphaEdit does."""
SUMS = 4 * GIB
"""Of second moments, while they are prepared."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of a model: all parameters, and d, f, V, attention heads and layers."""

    parameters: int
    width: int
    inner: int
    vocabulary: int
    heads: int
    layers: int


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
    try:
        config = AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot load a language model from '{path}': {error}") from error
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    width, inner = find_site(model, default_layer(model)).weight.shape
    heads, layers = config.num_attention_heads, config.num_hidden_layers
    return Sizes(model.num_parameters(), width, inner, config.vocab_size, heads, layers)


def estimate(sizes: Sizes, dtype: str, rows: int, editor: str = "", options: Mapping[str, Any] | None = None) -> Need:
    """Upper bounds for a job that asks `rows` questions at once, and edits with `editor` unless that is empty."""
    options, size = options or {}, DTYPES[dtype].itemsize
    edits = bool(editor) and editor != "none"
    state = LENGTH * (3 * sizes.inner + 10 * sizes.width) * size  # of one text in one layer
    attention = sizes.heads * LENGTH**2 * 4
    asked = rows * (state + attention)
    behind = 1 + sizes.layers // 6  # layers behind an edit at the published depth, whose states a gradient needs
    trained = TRAINED_ROWS * behind * (state + attention) if edits else 0
    logits = rows * TARGET * sizes.vocabulary * (size + 8)
    return Need(
        weights=sizes.parameters * size,
        editor=_editor_bytes(sizes, editor, options),
        states=CACHED_STATES if editor else 0,
        activations=max(asked, trained) + logits,
    )


def _editor_bytes(sizes: Sizes, editor: str, options: Mapping[str, Any]) -> int:
    if not editor:
        return 0
    matrices = MATRICES.get(editor, OTHER_MATRICES)
    if editor.startswith("wise"):  # of each shard its change and its mask, and both again while they are merged
        matrices += 4 * options.get("shards", 2)
    if editor not in LAYERS:
        return 4 * matrices * sizes.width * sizes.inner
    layers = options.get("layers", LAYERS[editor])
    solved = editor != "rome" or options.get("covariance", False)
    squares = SQUARES * layers + (EIGENVECTORS if editor == "alphaedit" else SOLVING) if solved else 0
    return max(SUMS, 4 * (layers * matrices * sizes.width * sizes.inner + squares * sizes.inner**2))


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
    device: torch.device,
    dtype: str,
    rows: int,
    editors: Mapping[str, Mapping[str, Any]],
) -> None:
    """`require_memory` for the job at hand on a GPU, and for that of `editors` that needs most; nothing on a CPU."""
    if device.type != "cuda":
        return
    sizes = sizes_of(path, revision)
    needs = [estimate(sizes, dtype, rows, name, options) for name, options in (editors or {"": {}}).items()]
    free, total = torch.cuda.mem_get_info(device)
    require_memory(max(needs, key=lambda need: need.total), free, total, str(device), dtype, rows)
