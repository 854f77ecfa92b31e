"""Locate, then edit: find the value that a token's state should take, then solve for the matrices that give it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from wise.editors.layout import Layout, Part
from wise.editors.locate.moments import SUMS_BYTES, second_moments, training_texts
from wise.editors.locate.request import Request, build_request
from wise.editors.locate.solve import factor
from wise.editors.locate.value import Value, find_value
from wise.editors.mechanisms.layers import MatricesEditor
from wise.errors import ConfigError, EditError
from wise.lm.architectures import find_site
from wise.lm.finite import finite
from wise.records import EditRecord
from wise.tail.frozen_states import FrozenStates


class LocateEditor(MatricesEditor):
    """Base of ROME, MEMIT and AlphaEdit: requests, values, second moments, and the norm that values are held to.

    `in_stream` says where a value lives: in the residual stream behind the highest edited layer (MEMIT), or in the
    output of its matrix (ROME), which is also taken where a norm stands between the two.
    """

    depth = (5, 32)
    in_stream: ClassVar[bool] = True
    artifact_options = ()
    solving: ClassVar[int] = 6
    """Copies of one second moment (f, f) in float32 that solving for an update takes."""
    _anchor: Tensor | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._derived: dict[int, Tensor] = {}  # by layer, what `_once` made

    @classmethod
    def uses_moments(cls, config: Any) -> bool:
        """Whether updates are weighed against the second moments of training texts."""
        return True

    @classmethod
    def memory_need(cls, config: Any, width: int, inner: int) -> int:
        """See `Editor.memory_need`; of each layer also the second moment, in float32, and its factor in float64."""
        squares = 3 * cls.layers(config) + cls.solving if cls.uses_moments(config) else 0
        return max(SUMS_BYTES, super().memory_need(config, width, inner) + 4 * squares * inner**2)

    @property
    def needs_subject(self) -> bool:
        """Whether the subject's last token is edited."""
        return self.config.token == "subject_last"

    def learns_from_records(self) -> bool:
        """See `Editor.learns_from_records`: moments where the update uses them, and the norm of values."""
        return self.config.norm_anchor or (self.uses_moments(self.config) and not self.prepared)

    def prepare(self, records: Sequence[EditRecord]) -> None:
        """Measure second moments on the records' texts, and the norm that `norm_anchor` holds values to."""
        if self.uses_moments(self.config) and not self.prepared:  # an artifact has all layers, here these are enough
            with self.unedited():
                self.use_artifact(second_moments(self.lm, self.sites, training_texts(records)))
        if self.config.norm_anchor:
            self._anchor = self._pilot_norm([record for record in records if record.target.strip()])

    def make_artifact(self, records: Sequence[EditRecord]) -> dict[str, Tensor]:
        """Second moments of the down-projection's input in every layer, see `second_moments`."""
        sites = [find_site(self.lm.model, layer) for layer in range(len(self.site.blocks))]
        with self.unedited():
            return second_moments(self.lm, sites, training_texts(records))

    def use_artifact(self, tensors: dict[str, Tensor]) -> None:
        """Keep the moments of the edited layers, where the update needs them."""
        needed = {"tokens", *(f"moment.{site.layer}" for site in self.sites)}
        kept = needed if self.uses_moments(self.config) else set()
        super().use_artifact({name: tensor for name, tensor in tensors.items() if name in kept})
        self._derived = {}

    def measured(self) -> dict[str, float]:
        """The norm that values are rescaled to, where they are."""
        return {} if self._anchor is None else {"value_norm": self._anchor.item()}

    def request(self, record: EditRecord, number: int | None = None) -> Request:
        """Edit `number` (see `augmented`) as rows of tokens; raises `DataError` where its prompt lacks the subject."""
        prompts = self.augmented(record, self.config.context_prefixes, number)
        return build_request(self.lm, record, prompts, self.config.token, self.config.kl > 0)

    def value(self, request: Request, frozen: FrozenStates) -> Value:
        """v* of one edit on the model as it stands, `frozen` being its states at the highest edited layer."""
        found = find_value(self.tails[-1], frozen, request, self.current(request, frozen), self.config)
        if self._anchor is None:
            return found
        return Value(found.vector * (self._anchor / found.vector.norm()), found.iterations, found.loss)

    def current(self, request: Request, frozen: FrozenStates) -> Tensor:
        """The value (d,) of the plain prompt's edited token in the model as it stands."""
        stream = self.in_stream and self.sites[-1].behind is None
        return (frozen.hidden if stream else frozen.output)[0, request.token[0]]

    def read(self, request: Request) -> FrozenStates:
        """States of the request's rows at the highest edited layer, on the model as it stands."""
        return self.tails[-1].read(request.batch)

    def _pilot_norm(self, records: Sequence[EditRecord]) -> Tensor:
        """Mean ||v*|| over training edits, each on the unedited model."""
        if not records:
            raise ConfigError("norm_anchor needs training records with targets")
        self._anchor = None
        norms = []
        with self.unedited():
            for number, record in enumerate(records[: self.config.pilots]):
                request = self.request(record, number)
                norms.append(self.value(request, self.read(request)).vector.norm())
        return torch.stack(norms).mean()

    def _factor(self, layer: int) -> Tensor:
        """Of one layer's second moment, see `factor`."""
        return self._once(layer, lambda moment: factor(moment, int(self.prepared["tokens"])))

    def _once(self, layer: int, make: Callable[[Tensor], Tensor]) -> Tensor:
        """`make(moment)` of one layer, computed when it is first needed."""
        if f"moment.{layer}" not in self.prepared:
            raise ConfigError(f"{self.name} needs second moments: call prepare() with training records first")
        if layer not in self._derived:
            self._derived[layer] = make(self.prepared[f"moment.{layer}"])
        return self._derived[layer]

    def _added(self, weight: Tensor, update: Tensor, request: Request) -> Tensor:
        """W + Delta (d, f) in the number format of W; raises `EditError` where it is not finite."""
        edited = (weight.detach().double() + update).to(weight.dtype)
        if not finite(edited):
            record = request.record
            raise EditError(f"edit '{record.id}' ({record.prompt!r}): the edited matrix of {self.name} is not finite")
        return edited

    def memory(self) -> dict[str, Tensor]:
        return super().memory() | ({} if self._anchor is None else {"value_norm": self._anchor})

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        return {**super().layout(edits), "value_norm": Part(optional=True)}

    def artifact_layout(self) -> Layout:
        """See `Editor.artifact_layout`."""
        return {"tokens": Part(kind="int", least=1, optional=True), "moment.#": Part("f f")}

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        super()._take_memory(memory)
        self._anchor = memory.get("value_norm")
