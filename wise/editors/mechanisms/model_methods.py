"""Methods of a running model that an editor takes the place of while it is attached."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn, cast

from torch import nn

from wise.errors import ConfigError

LOG = logging.getLogger(__name__)

PACKING = ("generate_batch", "init_continuous_batching", "continuous_batching_context_manager")
"""Methods of a model by which transformers puts several prompts into one row."""


class Replaced:
    """Methods that `model` has in the place of its own, until they are given back.

    All of it can be copied together with the model, which is why no method should be a function made on the spot: it
    would go on asking the model that it was made for.
    """

    def __init__(self, model: nn.Module, methods: Mapping[str, Callable[..., Any]]) -> None:
        self._model = getattr(model, "_orig_mod", model)  # a compiled model passes its attributes on to this one
        self._names = list(methods)
        own = vars(self._model)
        self._earlier = {name: own[name] for name in methods if name in own}  # a user's own, the class's do not count
        for name, method in methods.items():
            setattr(self._model, name, method)

    def give_back(self) -> None:
        """What was there before shows again."""
        for name in self._names:
            if name in self._earlier:
                setattr(self._model, name, self._earlier[name])
            else:
                delattr(self._model, name)


def beside_the_model(editor: str, model: nn.Module) -> dict[str, Callable[..., Any]]:
    """The methods of a model whose edits lie beside its weights: no packing, and saving it says what is not saved."""
    methods = without_packing(editor, model)
    if hasattr(model, "save_pretrained"):
        methods["save_pretrained"] = partial(_save_without_edits, editor, cast(Any, model).save_pretrained)
    return methods


def _save_without_edits(editor: str, save: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The model's own `save_pretrained`, with a warning."""
    LOG.warning(
        "%s keeps its edits beside the model: this checkpoint is the unedited one. save_pretrained() of the editor "
        "writes the edits, and wise.load puts them into the model again", editor
    )  # fmt: skip
    return save(*args, **kwargs)


def without_packing(editor: str, model: nn.Module) -> dict[str, Callable[..., Any]]:
    """In the place of each of the model's methods of `PACKING` one that raises `ConfigError`."""
    return {name: partial(refuse_packing, editor) for name in PACKING if hasattr(model, name)}


def refuse_packing(editor: str, *_args: Any, **_kwargs: Any) -> NoReturn:
    """Raise `ConfigError`: several prompts in one row cannot be told apart, and are one decision."""
    raise ConfigError(
        f"{editor}: which edit answers is decided prompt by prompt, and continuous batching (generate_batch, "
        "cache_implementation 'paged') reads several prompts as one row; ask with generate(), in batches if you like"
    )
