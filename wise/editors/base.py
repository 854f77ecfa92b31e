"""The contract of every editor.

An editor owns what it learned (its memory) and puts it into the model from outside: the base
weights are never written to, so the unedited model is back, bit for bit, as soon as the editor steps
aside. The edited model stays an ordinary module: `generate()` and any batch size work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from wise.errors import ConfigError
from wise.files import atomic_path, read_json, write_json
from wise.lm.batch import Encoded, encode, encode_prompts
from wise.lm.load import LanguageModel
from wise.lm.sites import find_site
from wise.lm.tail import Prefix, Tail
from wise.records import EditRecord
from wise.seeds import generator


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


class Editor(ABC):
    """Base of all editors: `prepare`, `edit`, `rollback`, `save`, `load`.

    The constructor only stores its arguments and finds the site. `contexts` are random prefixes that
    the model wrote (`wise.lm.contexts`); `seed` reaches every draw. Subclasses keep their memory in
    tensors and implement the abstract methods.
    """

    name: ClassVar[str]
    Config: ClassVar[type]

    def __init__(self, lm: LanguageModel, config: Any, layer: int, contexts: Sequence[str] = (), seed: int = 0) -> None:
        self.lm = lm
        self.config = config
        self.contexts = tuple(contexts)
        self.seed = seed
        self.site = find_site(lm.model, layer)
        self.tail = Tail(lm, self.site)
        self.edits: list[EditRecord] = []

    # What a user calls

    def prepare(self, records: Sequence[EditRecord]) -> None:  # noqa: B027 - most editors need nothing
        """Learn from training records, before any edit, whatever the editor needs beside the edits."""

    def edit(self, record: EditRecord) -> EditOutcome:
        """Make the model answer `record.prompt` with `record.target`, keeping all former edits.

        Raises `DataError` for a record that does not fit the model, and `EditError` for a loss that
        is not finite; the memory is then as it was before this edit.
        """
        outcome = self._learn(record)
        self.edits.append(record)
        self._attach()
        return outcome

    def rollback(self) -> None:
        """Forget every edit: the unedited model, and the same results again for the same edits."""
        self._detach()
        self.edits.clear()
        self._forget()

    def save(self, folder: str | Path) -> None:
        """Write config.json (with the log of edits) and memory.safetensors to `folder`."""
        folder = Path(folder)
        with atomic_path(folder / "memory.safetensors") as temporary:
            save_file({key: value.clone() for key, value in self._state().items()}, temporary)
        write_json(
            folder / "config.json",
            {
                "editor": self.name,
                "layer": self.site.layer,
                "site": self.site.name,
                "seed": self.seed,
                "options": asdict(self.config),
                "measured": self.measured(),
                "edits": [
                    {"id": r.id, "prompt": r.prompt, "target": r.target, "subject": r.subject} for r in self.edits
                ],
            },
        )

    def load(self, folder: str | Path) -> None:
        """Take over a memory that an editor of the same kind, options and layer saved."""
        folder = Path(folder)
        described = read_json(folder / "config.json")
        mine = {"editor": self.name, "layer": self.site.layer, "options": asdict(self.config)}
        for key, value in mine.items():
            if described[key] != value:
                raise ConfigError(f"{folder / 'config.json'}: {key} is {described[key]!r}, this editor has {value!r}")
        self.rollback()
        self.edits = [EditRecord(**edit) for edit in described["edits"]]
        self._load_state(load_file(folder / "memory.safetensors", device=str(self.lm.device)))
        self._attach()

    @contextmanager
    def unedited(self) -> Iterator[None]:
        """The unedited model inside the block, the edited one again behind it."""
        self._detach()
        try:
            yield
        finally:
            if self.edits:
                self._attach()

    def prefix(self, sequences: Sequence[Encoded]) -> Prefix:
        """The unchanging states of some texts at this editor's site."""
        with self.unedited():
            return self.tail.prefix(sequences)

    def measured(self) -> dict[str, float]:
        """What `prepare` measured of the model, by name, for the record."""
        return {}

    def extra_parameters(self) -> int:
        """Numbers that the edited model carries at inference beside the unedited one's."""
        return 0

    def memory_bytes(self) -> int:
        """Bytes of everything the editor keeps, for answering and for learning on."""
        return sum(tensor.nbytes for tensor in self._state().values())

    # What a subclass provides

    @abstractmethod
    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """The matrix's output (B, L, d) in the edited model.

        `inner` (B, L, f) is the matrix's input, `base` (B, L, d) its unedited output, `last` (B,) the
        position of the last prompt token, None behind the prompt (later steps of a generation).
        """

    def decide(self, query: Tensor) -> Routing | None:
        """Which memory answers, from the matrix's input at the last prompt token, (B, f)."""
        return None

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
    def _state(self) -> dict[str, Tensor]:
        """Everything learned, by name."""

    @abstractmethod
    def _load_state(self, state: dict[str, Tensor]) -> None:
        """Take over what `_state` of another instance gave."""

    def prompt_queries(self, prompts: Sequence[str], batch_size: int = 64) -> Tensor:
        """The matrix's input at the last token of each prompt, (n, f), on the unedited model."""
        queries = []
        for first in range(0, len(prompts), batch_size):
            sequences = encode_prompts(self.lm, prompts[first : first + batch_size])
            queries.append(self.prefix(sequences).query())
        return torch.cat(queries)

    def rows(self, record: EditRecord, prefixes: int) -> Prefix:
        """The edit's prompt as it is, then behind `prefixes` of the random contexts, each with its target."""
        draw = generator(self.seed, "contexts", len(self.edits))
        chosen = torch.randperm(len(self.contexts), generator=draw)[:prefixes].tolist()
        prompts = [record.prompt, *(f"{self.contexts[i]} {record.prompt}" for i in chosen)]
        return self.prefix(encode(self.lm, prompts, [record.target] * len(prompts)))
