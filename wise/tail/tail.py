"""Run a model only from the edited matrix on; everything before it is computed once per text.

An edit of the down-projection `W` of layer l changes nothing before it. For a text, its input
`x` (L, f), its unedited output `y = W0 x` (L, d) and the layer's unedited output `h` (L, d) never
change. With another output `y'` of the matrix the layer gives `h + (y' - y)`, or `h + n(y') - n(y)`
where a norm n stands behind the FFN. Only the layers behind l have to run, the last of them only where
its output is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from wise.lm.architectures import Site
from wise.lm.batch import Batch, Encoded, collate
from wise.lm.likelihood import hidden_nll
from wise.lm.load import LanguageModel
from wise.lm.spread import bring_home
from wise.tail.frozen_states import FrozenStates
from wise.tail.layer_inputs import Keywords, record_calls
from wise.tail.states import States, read_states
from wise.tail.trim import can_trim, keywords_at, run_at, take
from wise.tail.window import Window

Text = tuple[int, ...]
"""The tokens of one text."""

TextStates = tuple[Tensor, ...]
"""x (L, f), y (L, d) and h (L, d) of one text, and the states (L, d) behind an earlier layer where they are kept."""


class Tail:
    """The model behind one site. States are kept per text, up to `cache_bytes`, then recomputed.

    Cached states depend, at rounding level, on the batch that they were computed in. `groups` therefore tells which
    texts shared one, and a tail that was given them by `regroup` computes the same states, bit for bit.

    `trim`: whether the last layer runs only where it is read. Norms that compute in float32 whatever the model's
    precision then round gradients in another order, which shows in float64.

    States never are inference tensors, so whatever was first asked can be trained on later. Where a model's layers lie
    on several devices, that of the site is brought home, see `wise.lm.spread`.
    """

    def __init__(self, lm: LanguageModel, site: Site, cache_bytes: int = 2 * 2**30) -> None:
        bring_home(site.block, lm.device)
        self.lm = lm
        self.site = site
        self.cache_bytes = cache_bytes
        self.trim = site.family.trims
        self.early: Site | None = None
        self._states: dict[Text, TextStates] = {}
        self._groups: list[tuple[Text, ...]] = []  # the batches of all texts that are kept
        self._group_of: dict[Text, int] = {}
        self._cached_bytes = 0
        self._returns_tuple = False
        self._calls: WeakKeyDictionary[FrozenStates, _Calls] = WeakKeyDictionary()

    def keep_early(self, early: Site | None) -> None:
        """Read the hidden states behind the layer of `early` as well from now on, or no more."""
        if early != self.early:
            self.early = early
            self._states = {}  # read again, in the same batches, when they are asked for

    def keep_nothing(self) -> None:
        """Forget the states of all texts and keep none from now on; for texts that are read once."""
        self.cache_bytes = self._cached_bytes = 0
        self._states, self._groups, self._group_of = {}, [], {}

    # What never changes

    @torch.inference_mode(False)
    def frozen(self, sequences: Sequence[Encoded], batch_size: int = 64) -> FrozenStates:
        """The unchanging states of some texts, from the cache where they were met before."""
        wanted = sorted({s.ids for s in sequences}, key=lambda ids: (len(ids), ids))
        known = {self._group_of[ids] for ids in wanted if ids in self._group_of and ids not in self._states}
        for number in sorted(known):  # kept by the tail that the groups are from
            self._states |= self._texts(self._groups[number])
        missing = [ids for ids in wanted if ids not in self._group_of]
        fresh: dict[Text, TextStates] = {}
        for first in range(0, len(missing), batch_size):
            group = tuple(missing[first : first + batch_size])
            computed = self._texts(group)
            fresh |= computed
            self._keep(group, computed)
        states = [fresh.get(s.ids) or self._states[s.ids] for s in sequences]
        batch = collate(sequences, self.lm.pad, self.lm.device)
        return FrozenStates(
            batch, *(nn.utils.rnn.pad_sequence(list(kind), batch_first=True) for kind in zip(*states, strict=True))
        )

    @torch.inference_mode(False)
    def read(self, batch: Batch) -> FrozenStates:
        """The unchanging states of a batch exactly as it is padded, on either side; nothing is cached.

        In a batch padded on the left `start` counts from the padded beginning and `length` is L.
        """
        states = self._read(batch)
        return FrozenStates(batch, states.inner, states.output, states.hidden, states.early)

    def groups(self) -> dict[str, Tensor]:
        """Which texts were computed together, as tensors by name: all tokens, texts by size, groups by size."""
        texts = [text for group in self._groups for text in group]
        return {
            "tokens": torch.tensor([token for text in texts for token in text], dtype=torch.int32),
            "sizes": torch.tensor([len(text) for text in texts], dtype=torch.int32),
            "groups": torch.tensor([len(group) for group in self._groups], dtype=torch.int32),
            "bytes": torch.tensor(self._cached_bytes),
        }

    def regroup(self, groups: dict[str, Tensor]) -> None:
        """Compute states as the tail did that gave `groups`; a group is computed when one of its texts is asked for."""
        tokens, sizes, counts = (groups[name].cpu() for name in ("tokens", "sizes", "groups"))
        texts = [tuple(text.tolist()) for text in tokens.split(sizes.tolist())]
        ends = counts.cumsum(0).tolist()
        self._groups = [tuple(texts[end - count : end]) for count, end in zip(counts.tolist(), ends, strict=True)]
        self._group_of = {text: number for number, group in enumerate(self._groups) for text in group}
        self._cached_bytes = int(groups["bytes"])
        self._states = {}

    def _keep(self, group: tuple[Text, ...], states: dict[Text, TextStates]) -> None:
        """Keep the states of a whole batch, where there is room for all of them."""
        size = sum(part.nbytes for parts in states.values() for part in parts)
        if self._cached_bytes + size <= self.cache_bytes:
            self._group_of |= dict.fromkeys(group, len(self._groups))
            self._groups.append(group)
            self._states |= states
            self._cached_bytes += size

    def _texts(self, texts: Sequence[Text]) -> dict[Text, TextStates]:
        """The states of some texts, cut out of one batch into one entry a text."""
        batch = collate([Encoded(ids, 0) for ids in texts], self.lm.pad, self.lm.device)
        states = self._read(batch)
        kinds = [states.inner, states.output, states.hidden, *([] if states.early is None else [states.early])]
        return {ids: tuple(kind[row, : len(ids)].clone() for kind in kinds) for row, ids in enumerate(texts)}

    def _read(self, batch: Batch) -> States:
        states = read_states(self.site, batch, self.early)
        self._returns_tuple = states.as_tuple
        return states

    # What an edit changes

    def hidden(self, frozen: FrozenStates, output: Tensor) -> Tensor:
        """Final hidden states (B, L, d) when the matrix gives `output` (B, L, d); gradients flow."""
        return self._final(self._before_last(frozen, output, last=True))

    def at(self, frozen: FrozenStates, output: Tensor, positions: Tensor, since: Tensor | None = None) -> Tensor:
        """Final hidden states (B, m, d) at `positions` (B, m) alone, see `hidden`.

        Where `output` is the frozen one in front of the tokens `since` (B,), and no position is, only the tokens from
        there on are run. What this needs is kept for the same tensor `since`.
        """
        blocks = self.site.blocks
        if self.site.layer == len(blocks) - 1:
            parts = (take(states, positions) for states in (frozen.hidden, frozen.output, output))
            return self._final(self._injected(*parts))
        calls = self._called(frozen)
        window = None if since is None else self._window(calls, frozen, since)
        if window is not None:
            return self._final(self._at_window(window, calls, frozen, output, positions))
        keywords, attention = calls.keywords[-1], self._attention
        if not self.trim or not can_trim(blocks[-1], keywords, attention):
            return take(self.hidden(frozen, output), positions)
        hidden = self._before_last(frozen, output)
        chosen = calls.last_at(positions, hidden, attention)
        return self._final(run_at(blocks[-1], hidden, positions, keywords, chosen, self.site.family.query))

    def logits(self, frozen: FrozenStates, output: Tensor, since: Tensor | None = None) -> Tensor:
        """Logits (N, V) at the tokens that predict target tokens, see `Batch.predicting`; `since` as in `at`."""
        return self.lm.logits(self._at_targets(frozen, output, since))  # (N, d) x (d, V)

    def nll(self, frozen: FrozenStates, output: Tensor, since: Tensor | None = None) -> Tensor:
        """-log p (N,) of the target tokens in nats, see `logits`; gradients flow once."""
        return hidden_nll(self.lm, self._at_targets(frozen, output, since), frozen.targets.tokens)

    def _at_targets(self, frozen: FrozenStates, output: Tensor, since: Tensor | None) -> Tensor:
        """Final hidden states (N, d) at the tokens that predict target tokens."""
        targets = frozen.targets
        hidden = self.at(frozen, output, targets.positions, since)  # (B, m, d)
        return hidden[targets.rows, targets.columns]

    def _injected(self, hidden: Tensor, before: Tensor, output: Tensor) -> Tensor:
        """The layer's output (B, m, d): h with the matrix's output `before` = y replaced by `output` = y'."""
        norm = self.site.behind
        output = output if norm is None else norm(output.to(hidden.dtype))
        before = before if norm is None else norm(before)
        return hidden + (output - before).to(hidden.dtype)

    def _before_last(self, frozen: FrozenStates, output: Tensor, last: bool = False) -> Tensor:
        """Hidden states (B, L, d) in front of the last layer, or with `last` behind it."""
        hidden = self._injected(frozen.hidden, frozen.output, output)
        blocks = self.site.blocks[self.site.layer + 1 :]
        keywords = self._called(frozen).keywords
        for block, given in zip(blocks[: len(blocks) - (not last)], keywords, strict=False):
            result = block(hidden, **given)
            hidden = result[0] if isinstance(result, tuple) else result
        return hidden

    def _window(self, calls: _Calls, frozen: FrozenStates, since: Tensor) -> Window | None:
        """The layers behind the site from the tokens `since` (B,) on; found once for a tensor."""
        if not self.trim:
            return None
        if calls.window is None or calls.window[0] is not since:
            blocks = list(self.site.blocks[self.site.layer + 1 :])
            with torch.inference_mode(False):
                window = Window.of(since, frozen.batch.length, frozen.hidden, blocks, calls.keywords, self._attention)
            calls.window = since, window
        return calls.window[1]

    def _at_window(
        self, window: Window, calls: _Calls, frozen: FrozenStates, output: Tensor, positions: Tensor
    ) -> Tensor:
        """Output (B, m, d) of the last layer at `positions` (B, m), when all run from the window's tokens on."""
        hidden = self._injected(*(take(states, window.positions) for states in (frozen.hidden, frozen.output, output)))
        *blocks, last = self.site.blocks[self.site.layer + 1 :]
        for index, block in enumerate(blocks):
            hidden = window.run(index, block, hidden)
        chosen = calls.last_at(positions, frozen.hidden, self._attention)
        return window.run_at(len(blocks), last, hidden, positions, chosen)

    def _final(self, hidden: Tensor) -> Tensor:
        for module in self.site.final:
            hidden = module(hidden)
        return hidden

    @property
    def _attention(self) -> str:
        return self.lm.model.config._attn_implementation or ""

    def _called(self, frozen: FrozenStates) -> _Calls:
        """What the layers behind the site are called with for this batch; found once."""
        if frozen not in self._calls:
            blocks = list(self.site.blocks)
            keywords = record_calls(self.site.backbone, blocks, frozen.batch, self._returns_tuple)
            self._calls[frozen] = _Calls(keywords[self.site.layer + 1 :])
        return self._calls[frozen]


@dataclass
class _Calls:
    """Arguments of the layers behind the site, of the last one at the positions it was last read at, and a window."""

    keywords: list[Keywords]
    window: tuple[Tensor, Window | None] | None = None
    _trimmed: tuple[Tensor, Keywords] | None = None

    def last_at(self, positions: Tensor, hidden: Tensor, attention: str) -> Keywords:
        """The last layer's arguments at `positions` (B, m), the same object for the same tensor."""
        if self._trimmed is None or self._trimmed[0] is not positions:
            with torch.inference_mode(False), torch.no_grad():
                self._trimmed = positions, keywords_at(self.keywords[-1], positions, hidden, attention)
        return self._trimmed[1]
