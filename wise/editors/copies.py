"""Copies of what holds on to a running model: in memory they are whole, in files they are memories."""

from __future__ import annotations

import copy
from typing import Any, NoReturn, Self

from wise.errors import ConfigError


class NotPickled:
    """`copy.deepcopy` copies it together with its model, and nothing of it is pickled."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copied = object.__new__(type(self))
        memo[id(self)] = copied  # before its parts, which lead back to it
        vars(copied).update({key: copy.deepcopy(value, memo) for key, value in vars(self).items()})
        return copied

    def __reduce__(self) -> NoReturn:
        raise ConfigError(
            "an edited model cannot be pickled: write its memory with save_pretrained() of the editor and put it into "
            "a model with wise.load(). Once the editor is closed, the model itself can be pickled again"
        )
