"""Run layers only from the first token on that an edit changes.

A causal model's states at a token depend on nothing behind it. Where an edit changes the matrix's output from one token
of a text on, such as the subject's last one, all tokens in front of it keep their keys and values in every layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from wise.tail.layer_inputs import Keywords
from wise.tail.trim import Given, Harvest, Harvested, cache_name, can_trim, keywords_at, take

KeysValues = tuple[Tensor, Tensor]
"""A layer's keys and values (B, heads, L, d_head)."""


@dataclass(frozen=True, eq=False)
class Window:
    """`positions` (B, m), the tokens of each row that are run; for each layer its arguments there, and what it `knew`.

    `since` (B,) is what the window was made for; `knew` are the keys and values of all tokens of the unedited text.
    """

    since: Tensor
    positions: Tensor
    keywords: Sequence[Keywords]
    knew: Sequence[KeysValues]

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        since: Tensor,
        length: Tensor,
        hidden: Tensor,
        blocks: Sequence[nn.Module],
        keywords: Sequence[Keywords],
        attention: str,
    ) -> Window | None:
        """For the layers `blocks`, the first of which reads the unedited `hidden` (B, L, d); rows end at `length` (B,).

        None where a layer cannot be run at some tokens alone, see `can_trim`, or where a row changes from its start on.
        """
        count = int((length - since).max())
        if count >= hidden.shape[1] or not all(
            can_trim(block, given, attention) for block, given in zip(blocks, keywords, strict=True)
        ):
            return None
        first = since.clamp(max=hidden.shape[1] - count)  # so that no position is there twice
        positions = first[:, None] + torch.arange(count, device=since.device)  # (B, m)
        chosen, knew = [], []
        for block, given in zip(blocks, keywords, strict=True):
            noted = _Noted()
            result = block(hidden, **given | {cast(str, cache_name(block)): noted})
            chosen.append(keywords_at(given, positions, hidden, attention))
            knew.append((noted.key, noted.value))
            hidden = result[0] if isinstance(result, tuple) else result
        return cls(since, positions, chosen, knew)

    def run(self, index: int, block: nn.Module, hidden: Tensor) -> Tensor:
        """Output (B, m, d) of layer `index` for `hidden` (B, m, d) at the window's positions; gradients flow."""
        result = block(hidden, **self.keywords[index] | {cast(str, cache_name(block)): self._joined(index)})
        return result[0] if isinstance(result, tuple) else result

    def run_at(self, index: int, block: nn.Module, hidden: Tensor, positions: Tensor, chosen: Keywords) -> Tensor:
        """The same at `positions` (B, n) of the text alone, which lie in the window; `chosen` are the arguments there.

        The keys and values of all tokens in the window are found first.
        """
        name, harvest = cast(str, cache_name(block)), Harvest()
        try:
            block(hidden, **self.keywords[index] | {name: harvest})
        except Harvested:
            pass  # nothing behind keys and values is wanted at all positions
        given = Given(*self._joined(index).update(harvest.key, harvest.value))
        result = block(take(hidden, positions - self.positions[:, :1]), **chosen | {name: given})
        return result[0] if isinstance(result, tuple) else result

    def _joined(self, index: int) -> _Joined:
        return _Joined(*self.knew[index], self.positions)


class _Noted:
    """A cache that notes the keys and values of a layer on their way."""

    key: Tensor
    value: Tensor

    def update(self, key: Tensor, value: Tensor, *_args: Any, **_kwargs: Any) -> KeysValues:
        self.key, self.value = key, value
        return key, value


@dataclass(frozen=True)
class _Joined:
    """A cache that puts new keys and values at `positions` (B, m) in the place of those that were known."""

    key: Tensor
    value: Tensor
    positions: Tensor

    def update(self, key: Tensor, value: Tensor, *_args: Any, **_kwargs: Any) -> KeysValues:
        return self._put(self.key, key), self._put(self.value, value)

    def _put(self, known: Tensor, new: Tensor) -> Tensor:
        at = self.positions[:, None, :, None].expand(new.shape).to(new.device)  # (B, heads, m, d_head)
        return known.expand(len(at), *known.shape[1:]).scatter(2, at, new)
