"""What a model's outer code hands to its layers beside the hidden states: masks, positions, rotations."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from wise.lm.batch import Batch

Keywords = dict[str, Any]
"""The arguments of one layer, by name, without the hidden states."""


def record_calls(backbone: nn.Module, blocks: Sequence[nn.Module], batch: Batch, as_tuple: bool) -> list[Keywords]:
    """Run the model on `batch` with layers that do nothing, and note what each of `blocks` is given.

    The model's own code builds masks and positions, so this holds for every family. `as_tuple`: the
    layers return (hidden, ...). The tensors can be trained through, also when asked in inference mode.
    """
    calls: list[Keywords] = []
    with torch.inference_mode(False), torch.no_grad(), _recording(blocks, calls, as_tuple):
        # not backbone(...): hooks of an attached editor are for calls that really run the model
        backbone.forward(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
    return calls


@contextmanager
def _recording(blocks: Sequence[nn.Module], calls: list[Keywords], as_tuple: bool) -> Iterator[None]:
    """Layers that return their input and note their arguments; only `forward` is replaced.

    The layers themselves stay in place, since outer code reads their attributes.
    """
    own = [vars(block).get("forward") for block in blocks]  # a wrapped forward, for instance of a dispatched model
    try:
        for block in blocks:
            block.forward = _noting(list(inspect.signature(block.forward).parameters), calls, as_tuple)
        yield
    finally:
        for block, forward in zip(blocks, own, strict=True):
            vars(block).pop("forward", None)  # the class's own method shows again
            if forward is not None:
                block.forward = forward


def _noting(names: list[str], calls: list[Keywords], as_tuple: bool) -> Any:
    """A `forward` that appends its arguments, by the names of the parameters, and returns its input."""

    def forward(*args: Any, **kwargs: Any) -> Tensor | tuple:
        given = dict(zip(names, args, strict=False)) | kwargs
        hidden = given.pop(names[0])
        calls.append(given)
        return (hidden, None) if as_tuple else hidden

    return forward
