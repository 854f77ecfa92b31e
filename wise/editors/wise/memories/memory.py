"""One side memory of a round robin: its update, and what it knows of its edits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from wise.editors.layout import Part
from wise.editors.wise.answer_end import AnswerEnd
from wise.editors.wise.training import Edit
from wise.editors.wise.update import Update
from wise.errors import DataError

Merging = Callable[[Sequence[Tensor], int], Tensor]
"""From the updates of shards (d, f) to one; the number tells one merging from another, for random rules."""

KNOWN = {
    "queries": Part("n f"),
    "scores": Part("n"),
    "edits": Part("n", "int", below="T"),
    "keys": Part("m f", optional=True),
    "rest": Part("r f+1", optional=True),
    "ends": Part("e f+1", optional=True),
    "signs": Part("l d", optional=True),
}
"""What a `Memory` knows of its edits, by name; former versions saved fewer."""

FORMS = {
    1: {"delta": Part("d f", optional=True)},
    2: {"left": Part("d p", optional=True), "right": Part("p f", optional=True)},
}
"""How its update is saved, by the number of its factors."""

PARTS = FORMS[1] | FORMS[2] | KNOWN


@dataclass(frozen=True, eq=False)
class Memory:
    """One side memory: its update W' - W0 (d, f) and what it knows of its edits.

    `queries` (n, f): inputs of the matrix at their last prompt tokens. `scores` (n,): their routing scores
    when each was learned. `edits` (n,): their positions in the log. `keys` (m, f): inputs at all tokens that predict
    their answers, which later edits spare; none without whitened updates. `rest` (m, f + 1) and `ends` (n, f + 1): see
    `AnswerEnd`; none where a memory answers at every token. `signs` (l, d): see `CosineScope`; none where scopes are
    told by activation.
    """

    update: Update
    queries: Tensor
    scores: Tensor
    edits: Tensor
    keys: Tensor
    rest: Tensor
    ends: Tensor
    signs: Tensor
    _found: dict[str, tuple[object, Tensor]] = field(default_factory=dict, init=False, repr=False)
    """By name: beside what it was computed, and what came out."""

    @classmethod
    def begun(cls, delta: Tensor, queries: Tensor) -> Memory:
        """Without edits, of the update `delta` (d, f); `queries` (0, f)."""
        none = torch.empty(0, dtype=torch.long, device=delta.device)
        rows = delta.new_empty(0, delta.shape[1] + 1)
        signs = delta.new_empty(0, len(delta))
        return cls(Update((delta,)), queries, delta.new_empty(0), none, queries, rows, rows, signs)

    @property
    def delta(self) -> Tensor:
        """The update (d, f) as one matrix."""
        return self.update.whole

    def learned(self, update: Update, **more: Tensor) -> Memory:
        """With one more edit: `more` has its row of each of the other parts."""
        return Memory(update, *(torch.cat([part, more[name].to(part)]) for name, part in self.known()))

    def known(self) -> Iterator[tuple[str, Tensor]]:
        """What is known of its edits, by name."""
        return ((name, getattr(self, name)) for name in KNOWN)

    def once(self, name: str, beside: object, make: Callable[[], Tensor]) -> Tensor:
        """`make()`, computed again only for another object `beside` it: an edit costs no pass over older memories."""
        if name not in self._found or self._found[name][0] is not beside:
            self._found[name] = beside, make()
        return self._found[name][1]

    @property
    def end(self) -> AnswerEnd | None:
        """Where its answers end; None where it was not told of every edit."""
        return AnswerEnd(self.rest, self.ends) if len(self.ends) == len(self.edits) > 0 else None

    def without(self, gone: Sequence[int]) -> Memory:
        """With the positions of its edits in a log without the `gone` ones."""
        smaller = (self.edits[:, None] > self.edits.new_tensor(gone)).sum(1)
        return replace(self, edits=self.edits - smaller)

    def state(self) -> dict[str, Tensor]:
        """Its tensors by name, see `PARTS`."""
        factors = self.update.factors
        return dict(zip(FORMS[len(factors)], factors, strict=True)) | dict(self.known())

    @classmethod
    def restored(cls, state: Mapping[str, Tensor], width: int) -> Memory:
        """From what `state` gave; `width` f is the number of the matrix's inputs.

        Raises `DataError` where the update is missing.
        """
        form = next((form for form in FORMS.values() if form.keys() <= state.keys()), None)
        if form is None:
            raise DataError("lacks the update of a memory, the tensor 'delta' or the tensors 'left' and 'right'")
        update = Update(tuple(state[name] for name in form))
        known = {"keys": state["queries"]}  # where a former version has saved none
        known |= dict.fromkeys(("rest", "ends", "signs"), update.factors[0].new_empty(0, width + 1))
        known |= state
        return cls(update, *(known[name] for name in KNOWN))


def answer_keys(edit: Edit) -> Tensor:
    """Inputs (m, f) of the matrix at the tokens that predict the answer behind the prompt alone."""
    frozen = edit.rows.frozen
    return frozen.inner[0, int(frozen.batch.start[0]) - 1 : int(frozen.batch.length[0]) - 1]


def joined(memories: Sequence[Memory], merging: Merging, index: int) -> Memory:
    """One memory that holds the edits of several."""
    parts = (torch.cat([getattr(m, part) for m in memories]) for part in KNOWN)
    return Memory(Update((merging([m.delta for m in memories], index),)), *parts)
