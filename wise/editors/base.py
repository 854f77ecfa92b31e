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
from torch import Tensor, nn

from wise.editors.decision import Reading, Routing
from wise.editors.entries import EDITORS
from wise.editors.layout import Layout, Sizes
from wise.editors.own_units import filled_in
from wise.errors import ConfigError, EditError
from wise.lm.architectures import Site, default_layer, find_site
from wise.lm.batch import Encoded, encode, fitting
from wise.lm.finite import finite
from wise.lm.load import LanguageModel
from wise.records import EditRecord, Probe
from wise.seeds import generator
from wise.tail.tail import FrozenStates, Tail


@dataclass(frozen=True)
class EditOutcome:
    """How one edit went: optimisation steps taken and the last edit loss (nats per target token).

    `took` says whether the model now answers with the target, and `answer` what it answers; None and empty where
    nobody asked, as in the workflow. `note` is what was done in the place of something that the edit did not say.
    """

    iterations: int
    loss: float
    took: bool | None = None
    answer: str = ""
    note: str = ""


TEXTS = "texts."
"""Prefix of the names of `Tail.groups` in the tensors that `Editor.restore` takes."""

Report = Callable[[float], None]
"""Progress callback: the fraction of a call that was completed since it was called last."""


class Editor(ABC):
    """Base of all editors: `prepare`, `edit`, `rollback`, `state`, `restore`.

    The constructor only stores its arguments and finds the site. `contexts` are random prefixes that
    the model wrote (`wise.lm.contexts`); `seed` reaches every draw. Subclasses keep their memory in
    tensors and implement the abstract methods.
    """

    name: ClassVar[str]
    Config: ClassVar[type]
    policy: str = "prefill"
    batch_editing: bool = False
    """Whether all edits are learned in one call, see `wise.editors.mechanisms.joint`."""
    retrains_from_scratch: bool = False
    """Whether a further call costs as much for every edit made before as for its own."""
    in_forward: ClassVar[bool] = True
    """Whether a plain forward call of the model is edited; False for editors that rewrite what `generate` is given."""
    in_weights: ClassVar[bool] = False
    """Whether the memory is nothing but other values of the matrices at `sites`."""
    matrices: ClassVar[int] = 5
    """Copies of the edited matrix (d, f) in float32 that are held while an edit is learned: the memory, its gradient,
    the optimiser's states, masks."""
    remedy: ClassVar[str] = "Raise 'lr' or 'steps'."
    """What to change where edits do not take, for a warning."""
    needs_subject: bool = False
    """Whether an edit is written at its subject, which its prompt then has to name."""
    needs_irrelevant: bool = False
    """Whether an edit is learned with a text that it must leave alone."""
    depth: ClassVar[tuple[int, int] | None] = None
    """The layer that published runs edit, of how many; taken where no layer is given. None for WISE's own depth."""
    artifact_options: ClassVar[tuple[str, ...] | None] = None
    """Options that what `make_artifact` gives depends on, so that it can be kept while others change; None for all."""
    _aside: bool = False

    def __init__(self, lm: LanguageModel, config: Any, layer: int, contexts: Sequence[str] = (), seed: int = 0) -> None:
        self.lm = lm
        self.contexts = tuple(contexts)
        self.seed = seed
        self.layer = layer
        self.site = find_site(lm.model, layer)
        self.sites = [self.site]
        self.tail = Tail(lm, self.site)
        self.edits: list[EditRecord] = []
        self.prepared: dict[str, Tensor] = {}
        self.not_taken: dict[str, str] = {}  # by the id of an edit, what was answered in the place of its target
        self.config = filled_in(self.tail, config)

    @classmethod
    def usual_layer(cls, lm: LanguageModel) -> int:
        """The layer that is edited where none is given."""
        return default_layer(lm.model, cls.depth)

    @classmethod
    def layers(cls, config: Any) -> int:
        """How many consecutive layers are edited; the editor's layer is the last of them."""
        return 1

    @classmethod
    def memory_need(cls, config: Any, width: int, inner: int) -> int:
        """Bytes that the editor takes beside the model, at most, where edited matrices are (width, inner) = (d, f).

        0 where nothing is trained.
        """
        return 4 * cls.matrices * cls.layers(config) * width * inner

    # What a user calls

    @property
    def artifact(self) -> str | None:
        """What `prepare` makes, as the editor's entry names it; None for nothing."""
        return EDITORS[self.name].artifact if self.name in EDITORS else None

    def learns_from_records(self) -> bool:
        """Whether `prepare` has something to learn, with these options and what was given already."""
        return self.artifact is not None and not self.prepared

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

    def made(self, name: str) -> Tensor:
        """One tensor of the artifact; raises `ConfigError` before `prepare`, and where the artifact lacks it."""
        if not self.prepared:
            raise ConfigError(f"{self.name} learns from training records first: call prepare")
        if name not in self.prepared:
            raise ConfigError(f"the artifact of {self.name} has no '{name}': another version made it; make it again")
        return self.prepared[name]

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
        self.not_taken.clear()
        self._forget()

    def undo(self, what: str = "all") -> list[EditRecord]:
        """Forget "all" edits, or those of the "shard" that was begun last; returns them.

        Raises `ConfigError` for an editor that does not learn in shards, and where there is nothing to undo.
        """
        if what == "shard":
            return self._undo_shard()
        if what != "all":
            raise ConfigError(f"what to undo is 'shard' or 'all', not {what!r}")
        gone = list(self.edits)
        self.rollback()
        return gone

    def merged(self) -> dict[Site, nn.Parameter]:
        """The matrices of a plain model that always answers from the one memory, by where they belong.

        Raises `ConfigError` where there are several memories, or the memory is no matrix.
        """
        if not self.in_weights:
            raise ConfigError(f"{self.name} keeps no matrix that could be merged into the model")
        # while the editor is attached, the matrices are the edited ones
        return {site: site.parameter(site.weight.detach().clone()) for site in self.sites}

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

    def asked(self, record: EditRecord, probe: Probe) -> str:
        """The text by which an evaluation puts one of an edit's questions: as it stands, unless an editor instructs."""
        return probe.prompt

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
        learned = [tensor for name, tensor in self.memory().items() if tensor is not before.get(name)]
        if not all(map(finite, learned)):
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

    def _undo_shard(self) -> list[EditRecord]:
        """Forget the edits of the shard that was begun last; returns them."""
        raise ConfigError(f"{self.name} does not learn in shards: only all edits can be undone")

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

    def layout(self, edits: int) -> Layout | None:
        """The tensors of `memory` behind so many edits; None for an editor that does not say, whose are not checked."""
        return None

    def artifact_layout(self) -> Layout | None:
        """The tensors of an artifact; None where `use_artifact` itself compares them with a network."""
        return None

    def sizes(self, edits: int = 0) -> Sizes:
        """Sizes that layouts name: d and f of the matrix, V tokens of the vocabulary, T edits."""
        return dict(zip("dfVT", (*self.site.weight.shape, self.lm.vocabulary, edits), strict=True))

    @abstractmethod
    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        """Take over what `memory` of another instance gave."""

    def augmented(self, record: EditRecord, context_prefixes: int, number: int | None = None) -> list[str]:
        """The edit's prompt as it is, then behind random contexts (the next edit's, or edit `number`'s) that fit."""
        draw = generator(self.seed, "contexts", len(self.edits) if number is None else number)
        chosen = torch.randperm(len(self.contexts), generator=draw, device=draw.device)[:context_prefixes].tolist()
        behind = (f"{self.contexts[i]} {record.prompt}" for i in chosen)
        return fitting(self.lm, [record.prompt, *behind], record.target)

    def encoded_rows(self, record: EditRecord, context_prefixes: int, number: int | None = None) -> list[Encoded]:
        """The augmented prompts, each with the edit's target, see `augmented`."""
        prompts = self.augmented(record, context_prefixes, number)
        return encode(self.lm, prompts, [record.target] * len(prompts))

    def rows(self, record: EditRecord, context_prefixes: int) -> FrozenStates:
        """The states of the augmented prompts, each with the edit's target."""
        return self.frozen(self.encoded_rows(record, context_prefixes))
