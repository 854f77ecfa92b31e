"""The contract of every editor.

An editor owns what it learned (its memory) and puts it into the model from outside: the base
weights are never written to, so the unedited model is back, bit for bit, as soon as the editor steps
aside. The edited model stays an ordinary module: `generate()` and any batch size work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from wise.errors import EditError
from wise.lm.architectures import find_site
from wise.lm.batch import Encoded, encode, encode_prompts
from wise.lm.load import LanguageModel
from wise.records import EditRecord
from wise.seeds import generator
from wise.tail.tail import FrozenStates, Tail


@dataclass(frozen=True)
class EditOutcome:
    """How one edit went: optimisation steps taken and the last edit loss (nats per target token)."""

    iterations: int
    loss: float


@dataclass(frozen=True)
class Routing:
    """One decision per sequence, (B,) each: `choice` 0 is the unedited model, i > 0 memory number i.

    A memory answers where `score` reaches `threshold`.
    """

    score: Tensor
    threshold: Tensor
    choice: Tensor


@dataclass(frozen=True)
class Reading:
    """What a routing decision may look at: texts at the site, as far as they have been read.

    `inner` (B, L, f) and `base` (B, L, d) are the matrix's input and its unedited output, `real` (B, L)
    tells tokens from padding, `last` (B,) is the last prompt token, `end` (B,) the last token that may be
    looked at: the same when the decision falls on the prompt, a later one when an answer is read along.
    """

    inner: Tensor
    base: Tensor
    real: Tensor
    last: Tensor
    end: Tensor

    @classmethod
    def of(cls, frozen: FrozenStates, whole: bool = False) -> Reading:
        """The prompts of a batch, or its `whole` texts with their targets."""
        batch = frozen.batch
        last = batch.start - 1
        return cls(frozen.inner, frozen.output, batch.attention_mask.bool(), last, batch.length - 1 if whole else last)

    def query(self) -> Tensor:
        """The matrix's input at the last prompt token, (B, f)."""
        return self.inner[torch.arange(len(self.last), device=self.last.device), self.last]


TEXTS = "texts."
"""Prefix of the names of `Tail.groups` in the tensors that `Editor.restore` takes."""

Report = Callable[[float], None]
"""Told, behind each unit of work, which share of a call was done since it was told last."""

POLICIES = ("prefill", "per_step")
"""When a sequence is routed: once, on its prompt; or anew in every forward call, as the released WISE does."""


class Editor(ABC):
    """Base of all editors: `prepare`, `edit`, `rollback`, `state`, `restore`.

    The constructor only stores its arguments and finds the site. `contexts` are random prefixes that
    the model wrote (`wise.lm.contexts`); `seed` reaches every draw. Subclasses keep their memory in
    tensors and implement the abstract methods.
    """

    name: ClassVar[str]
    Config: ClassVar[type]
    policy: str = "prefill"
    batch_editing: ClassVar[bool] = False
    """Whether all edits are learned in one call, see `wise.editors.mechanisms.joint`."""
    retrains_from_scratch: ClassVar[bool] = False
    """Whether a further call costs as much for every edit made before as for its own."""
    artifact: ClassVar[str | None] = None
    """What `prepare` makes, by a name that editors share whose artifact is the same; None for nothing."""
    in_forward: ClassVar[bool] = True
    """Whether a plain forward call of the model is edited; False for editors that rewrite what `generate` is given."""
    _aside: bool = False

    def __init__(self, lm: LanguageModel, config: Any, layer: int, contexts: Sequence[str] = (), seed: int = 0) -> None:
        self.lm = lm
        self.config = config
        self.contexts = tuple(contexts)
        self.seed = seed
        self.layer = layer
        self.site = find_site(lm.model, layer)
        self.sites = [self.site]
        self.tail = Tail(lm, self.site)
        self.edits: list[EditRecord] = []
        self.prepared: dict[str, Tensor] = {}

    # What a user calls

    def prepare(self, records: Sequence[EditRecord]) -> None:
        """Learn from training records, before any edit, whatever the editor needs beside the edits.

        An artifact that was given by `use_artifact` before is not made again.
        """
        if self.artifact is not None and not self.prepared:
            self.use_artifact(self.make_artifact(records))

    def make_artifact(self, records: Sequence[EditRecord]) -> dict[str, Tensor]:
        """Compute what `artifact` names from training records; it depends on neither seed nor edits."""
        return {}

    def use_artifact(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `make_artifact` computed, here or elsewhere, on the same model with the same options."""
        self.prepared = {name: tensor.to(self.lm.device) for name, tensor in tensors.items()}

    def edit(self, record: EditRecord) -> EditOutcome:
        """Make the model answer `record.prompt` with `record.target`, keeping all former edits.

        Raises `DataError` for a record that does not fit the model, and `EditError` for a loss or a memory
        that is not finite; the memory is then as it was before this edit.
        """
        before = self.memory()
        outcome = self._learn(record)
        self._require_finite(before, [record])
        self.edits.append(record)
        self._attach()
        return outcome

    def edit_all(self, records: Sequence[EditRecord], report: Report | None = None) -> list[EditOutcome]:
        """Make several edits: at once where the editor learns them together, else one after the other.

        `report` hears how the call gets on.
        """
        outcomes = []
        for record in records:
            outcomes.append(self.edit(record))
            if report is not None:
                report(1 / len(records))
        return outcomes

    def rollback(self) -> None:
        """Forget every edit: the unedited model, and the same results again for the same edits."""
        self._detach()
        self.edits.clear()
        self._forget()

    def state(self) -> dict[str, Tensor]:
        """What `restore` goes on from: the memory, and which texts' states were computed together."""
        return self.memory() | {f"{TEXTS}{name}": tensor for name, tensor in self.tail.groups().items()}

    def restore(self, edits: Sequence[EditRecord], state: dict[str, Tensor]) -> None:
        """Go on, bit for bit, where an editor was that held `edits` and gave `state`.

        That editor was made with the same arguments and prepared in the same way as this one. A `memory` alone will do
        as well; texts that come later then have the same states up to rounding.
        """
        self.rollback()
        self.edits = list(edits)
        self._take_memory({name: tensor for name, tensor in state.items() if not name.startswith(TEXTS)})
        groups = {name.removeprefix(TEXTS): state[name] for name in state if name.startswith(TEXTS)}
        if groups:
            self.tail.regroup(groups)
        if self.edits:
            self._attach()

    @contextmanager
    def unedited(self) -> Iterator[None]:
        """The unedited model inside the block, behind it what was there before; blocks may be nested."""
        outer = self._aside
        self._aside = True
        self._detach()
        try:
            yield
        finally:
            self._aside = outer
            if self.edits and not outer:
                self._attach()

    def answer(self, frozen: FrozenStates, routing: Routing | None) -> Tensor:
        """Logits (N, V) of the edited model at the tokens that predict targets, given its decision on the prompts."""
        output = self.output(frozen.inner, frozen.output, routing, frozen.batch.start - 1)
        return self.tail.logits(frozen, output)

    def frozen(self, sequences: Sequence[Encoded]) -> FrozenStates:
        """The unchanging states of some texts at this editor's site."""
        with self.unedited():
            return self.tail.frozen(sequences)

    def measured(self) -> dict[str, float]:
        """What `prepare` measured of the model, by name, for the record."""
        return {}

    def extra_parameters(self) -> int:
        """Numbers that the edited model carries at inference beside the unedited one's."""
        return 0

    def memory_bytes(self) -> int:
        """Bytes of everything the editor keeps, for answering and for learning on."""
        return sum(tensor.nbytes for tensor in self.memory().values())

    def _require_finite(self, before: dict[str, Tensor], records: Sequence[EditRecord]) -> None:
        """Raise `EditError` where the last step, which no loss has seen, went astray; the memory is then `before`."""
        after = self.memory()
        learned = [tensor for name, tensor in after.items() if tensor is not before.get(name)]
        if not all(tensor.isfinite().all() for tensor in learned):
            self._take_memory(before)
            names = ", ".join(f"'{record.id}'" for record in records)
            raise EditError(f"edit {names}: the memory of {self.name} is no longer finite; lower the learning rate")

    # What a subclass provides

    @abstractmethod
    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """The matrix's output (B, L, d) in the edited model.

        `inner` (B, L, f) is the matrix's input, `base` (B, L, d) its unedited output, `last` (B,) the
        position of the last prompt token, None behind the prompt (later steps of a generation).
        """

    def decide(self, reading: Reading) -> Routing | None:
        """Which memory answers each of the texts that are being read."""
        return None

    def holder(self, record_id: str) -> int:
        """Number of the memory that holds an edit, from 1, or 0; for editors that keep several."""
        return int(any(record.id == record_id for record in self.edits))

    @abstractmethod
    def _learn(self, record: EditRecord) -> EditOutcome:
        """Write one edit into the memory: all of it at the end, or nothing when an error is raised."""

    @abstractmethod
    def _forget(self) -> None:
        """Empty the memory."""

    @abstractmethod
    def _attach(self) -> None:
        """Put the memory into the model; called again when it is there already."""

    @abstractmethod
    def _detach(self) -> None:
        """Take the memory out of the model; called again when it is out already."""

    @abstractmethod
    def memory(self) -> dict[str, Tensor]:
        """Everything learned, as tensors by name."""

    @abstractmethod
    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        """Take over what `memory` of another instance gave."""

    def prompt_queries(self, prompts: Sequence[str], batch_size: int = 64) -> Tensor:
        """The matrix's input at the last token of each prompt, (n, f), on the unedited model."""
        queries = []
        for first in range(0, len(prompts), batch_size):
            sequences = encode_prompts(self.lm, prompts[first : first + batch_size])
            queries.append(self.frozen(sequences).query())
        return torch.cat(queries)

    def augmented(self, record: EditRecord, context_prefixes: int, number: int | None = None) -> list[str]:
        """The edit's prompt as it is, then behind `context_prefixes` of the random contexts, drawn for edit `number`.

        That is the next edit unless it is given.
        """
        draw = generator(self.seed, "contexts", len(self.edits) if number is None else number)
        chosen = torch.randperm(len(self.contexts), generator=draw)[:context_prefixes].tolist()
        return [record.prompt, *(f"{self.contexts[i]} {record.prompt}" for i in chosen)]

    def encoded_rows(self, record: EditRecord, context_prefixes: int, number: int | None = None) -> list[Encoded]:
        """The augmented prompts, each with the edit's target, see `augmented`."""
        prompts = self.augmented(record, context_prefixes, number)
        return encode(self.lm, prompts, [record.target] * len(prompts))

    def rows(self, record: EditRecord, context_prefixes: int) -> FrozenStates:
        """The states of the augmented prompts, each with the edit's target."""
        return self.frozen(self.encoded_rows(record, context_prefixes))
