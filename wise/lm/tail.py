"""Run a model only from the edited matrix on; everything before it is computed once per text.

An edit of the down-projection `W` of layer l changes nothing before it. For a text, its input
`x` (L, f), its unedited output `y = W0 x` (L, d) and the layer's unedited output `h` (L, d) never
change. With another output `y'` of the matrix the layer gives `h + (y' - y)`, and only the layers
behind l have to run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wise.lm.batch import Batch, Encoded, collate
from wise.lm.load import LanguageModel
from wise.lm.sites import Site


@dataclass(frozen=True)
class Prefix:
    """What never changes for a batch of texts: `inner` = x (B, L, f), `output` = y, `hidden` = h (B, L, d)."""

    batch: Batch
    inner: Tensor
    output: Tensor
    hidden: Tensor

    def query(self) -> Tensor:
        """The matrix's input at the last prompt token, (B, f): what routing decides on."""
        rows = torch.arange(len(self.batch.start), device=self.inner.device)
        return self.inner[rows, self.batch.start - 1]


class Tail:
    """The model behind one site. `states` are kept per text, up to `cache_bytes`, then recomputed."""

    def __init__(self, lm: LanguageModel, site: Site, cache_bytes: int = 2 * 2**30) -> None:
        self.lm = lm
        self.site = site
        self.cache_bytes = cache_bytes
        self._states: dict[tuple[int, ...], tuple[Tensor, Tensor, Tensor]] = {}
        self._cached_bytes = 0
        self._returns_tuple = False

    def prefix(self, sequences: Sequence[Encoded], batch_size: int = 64) -> Prefix:
        """The unchanging states of some texts, from the cache where they were met before."""
        missing = sorted({s.ids for s in sequences if s.ids not in self._states}, key=lambda ids: (len(ids), ids))
        fresh: dict[tuple[int, ...], tuple[Tensor, Tensor, Tensor]] = {}
        for first in range(0, len(missing), batch_size):
            fresh |= self._compute(missing[first : first + batch_size])
        for ids, states in fresh.items():
            size = sum(state.nbytes for state in states)
            if self._cached_bytes + size <= self.cache_bytes:
                self._states[ids] = states
                self._cached_bytes += size
        states = [fresh.get(s.ids) or self._states[s.ids] for s in sequences]
        batch = collate(sequences, self.lm.tokenizer.pad_token_id, self.lm.device)
        return Prefix(
            batch, *(nn.utils.rnn.pad_sequence(list(kind), batch_first=True) for kind in zip(*states, strict=True))
        )

    def hidden(self, prefix: Prefix, output: Tensor) -> Tensor:
        """Final hidden states (B, L, d) when the matrix gives `output` (B, L, d); gradients flow."""
        injected = prefix.hidden + (output - prefix.output)  # (B, L, d)
        with self._injected(injected):
            return self.lm.model.base_model(
                input_ids=prefix.batch.input_ids, attention_mask=prefix.batch.attention_mask, use_cache=False
            ).last_hidden_state

    def logits(self, prefix: Prefix, output: Tensor) -> Tensor:
        """Logits (N, V) at the tokens that predict target tokens, see `Batch.predicting`."""
        hidden = self.hidden(prefix, output)
        return self.lm.model.get_output_embeddings()(hidden[prefix.batch.predicting()])  # (N, d) x (d, V)

    def _compute(self, texts: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], tuple[Tensor, Tensor, Tensor]]:
        """One forward pass up to the site's layer, cut into one entry a text."""
        batch = collate([Encoded(ids, 0) for ids in texts], self.lm.tokenizer.pad_token_id, self.lm.device)
        seen: dict[str, Tensor] = {}

        def at_matrix(_module: nn.Module, args: tuple, output: Tensor) -> None:
            seen["inner"], seen["output"] = args[0], output

        def at_layer(_module: nn.Module, _args: tuple, output: Tensor | tuple) -> None:
            self._returns_tuple = isinstance(output, tuple)
            seen["hidden"] = output[0] if self._returns_tuple else output
            raise _LayerReached

        hooks = [self.site.module.register_forward_hook(at_matrix), self.site.block.register_forward_hook(at_layer)]
        try:
            with torch.no_grad():
                self.lm.model.base_model(
                    input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
                )
        except _LayerReached:
            pass  # nothing behind the layer is wanted
        finally:
            for hook in hooks:
                hook.remove()
        return {
            ids: tuple(seen[key][row, : len(ids)].clone() for key in ("inner", "output", "hidden"))
            for row, ids in enumerate(texts)
        }

    @contextmanager
    def _injected(self, hidden: Tensor) -> Iterator[None]:
        """The model with its layers up to the site replaced by the given output of the site's layer.

        The model's own code still builds masks, positions and the final norm, so this holds for
        every family.
        """
        blocks, layer = self.site.blocks, self.site.layer
        originals = list(blocks[: layer + 1])
        given = _Given(hidden, self._returns_tuple)
        try:
            for index in range(layer + 1):
                blocks[index] = given
            yield
        finally:
            for index, block in enumerate(originals):
                blocks[index] = block


class _LayerReached(Exception):
    """Ends a forward pass at the edited layer."""


class _Given(nn.Module):
    """Stands for a layer whose output is known."""

    def __init__(self, hidden: Tensor, as_tuple: bool) -> None:
        super().__init__()
        self._output = (hidden, None) if as_tuple else hidden

    def forward(self, *_args: object, **_kwargs: object) -> Tensor | tuple:
        return self._output
