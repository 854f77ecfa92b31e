"""What state a model is in while it is learned on or asked, whatever its owner has set for calls of his own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import nn
from transformers import PreTrainedModel

Method = TypeVar("Method", bound=Callable[..., Any])

Mode = Callable[[PreTrainedModel], AbstractContextManager[None]]


@contextmanager
def answering(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block: no dropout. Behind it every module is in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def gradients() -> Iterator[None]:
    """With gradients, also inside `torch.no_grad()` and `torch.inference_mode()`, and where a notebook has them off."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def learning(model: PreTrainedModel) -> Iterator[None]:
    """As `answering`, with gradients, and in the model's own precision: in `torch.autocast` states would be rounded."""
    kind = model.device.type
    with answering(model), gradients():
        if not torch.is_autocast_enabled(kind):
            yield
            return
        with torch.autocast(kind, enabled=False):
            yield


def within(mode: Mode) -> Callable[[Method], Method]:
    """A method of something that has a `model`, with the model in that mode while it runs."""

    def decorated(method: Method) -> Method:
        @wraps(method)
        def inside(self: Any, *args: Any, **kwargs: Any) -> Any:
            with mode(self.model):
                return method(self, *args, **kwargs)

        return cast(Method, inside)

    return decorated
