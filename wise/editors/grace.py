"""GRACE: a codebook of keys with radii, whose values replace one token's output (arXiv 2211.11031)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast, get_args

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from wise.editors.base import EditOutcome
from wise.editors.decision import Reading, Routing
from wise.editors.layout import Layout, Part
from wise.editors.mechanisms.routed import RoutedEditor
from wise.editors.own_units import OPEN, Own, OwnConstants
from wise.editors.shared.loss import edit_loss
from wise.editors.shared.minimise import adam, minimise, trainable
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.space import Among, Range
from wise.errors import DataError
from wise.options import STRICT, AtLeastOne, NotNegative, Positive, Prefixes
from wise.records import EditRecord
from wise.seeds import generator
from wise.tail.tail import FrozenStates

Replacement = Literal["replace_last", "replace_prompt", "replace_all"]
Expansion = Literal["coverage", "moving_average"]

COVER = 1.01
"""How far beyond an edit a radius grows that has to cover it: states of one text differ between batches, by less than a
hundredth of the distance in bfloat16."""


@dataclass(frozen=True, config=STRICT)
class GraceConfig(OwnConstants):
    """Published values: radius 1.0 (absolute), 50 to 100 steps of Adam at 1.0, cold start U(0, 1), `coverage`;
    `replace_prompt` in GRACE's own experiments, `replace_last` in the comparison of WISE, which also gives random
    prefixes to every editor; GRACE's own code has none.
    """

    radius: Annotated[Positive, Own(0.3, "distance", 1.0), Range(0.03, 2.0)] = OPEN
    """First deferral radius: how near to its key a prompt has to be to get an edit's value."""
    relative: bool = False
    """The radius is a share of the median distance between unrelated prompts, which carries over between models."""
    replacement: Annotated[Replacement, Among(get_args(Replacement))] = "replace_last"
    """Tokens that get the value: the last one of the prompt, all of the prompt, or those of the answer as well."""
    expand: Annotated[Expansion, Among(get_args(Expansion))] = "coverage"
    """What a key does that is near an edit with its own label: its radius grows to the distance (`coverage`), or it
    also moves half way towards the edit (`moving_average`)."""
    lr: Annotated[Positive, Own(1.0, "output", 1.0), Range(0.1, 3.0)] = OPEN
    """Step size of Adam, which finds the value."""
    steps: Annotated[AtLeastOne, Range(20, 100)] = 100
    """Most steps of one edit."""
    warm: Annotated[bool, Among((False, True))] = False
    """The value starts at the matrix's current output instead of at random."""
    context_prefixes: Annotated[Prefixes, Among((0, 2, 10))] = 10
    """Random texts that the prompt is learned behind, beside the prompt alone: the value serves all of them, the key is
    that of the prompt alone."""
    stop_loss: NotNegative = 0.0
    """Learning ends when the loss is below it, in nats; 0 for never."""


class Grace(RoutedEditor):
    """Keys (n, f) are the matrix's inputs at the last prompt token, values (n, d) its outputs there.

    A query within the radius of its nearest key gets that key's value at the tokens that `replacement` says; all
    other tokens keep their output.
    """

    name = "grace"
    remedy = "Raise 'steps', or set replacement: replace_all."
    Config = GraceConfig
    matrices = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._first_radius = torch.tensor(self.config.radius)
        self._forget()

    def learns_from_records(self) -> bool:
        """See `Editor.learns_from_records`: distances, where the radius is relative to them."""
        return self.config.relative

    def prepare(self, records: list[EditRecord]) -> None:
        """Measure the distance between unrelated prompts, when the radius is relative to it."""
        if self.config.relative:
            queries = pooled_prompts(self, [record.prompt for record in records[:256]], "last")
            self._first_radius = self.config.radius * torch.pdist(_wide(queries)).median().cpu()

    def decide(self, reading: Reading) -> Routing | None:
        """The nearest key where it is within its radius; the score is the negative distance."""
        if not len(self._keys):
            return None
        distance, nearest = _distances(reading.query(), self._keys).min(1)  # (B, f) to (n, f) -> (B,)
        radius = self._radii[nearest]
        return Routing(-distance, -radius, torch.where(distance <= radius, nearest + 1, 0))

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`: the chosen value at the tokens that it replaces, nothing else."""
        if routing is None or not routing.choice.any():
            return base
        if last is None and self.config.replacement != "replace_all":
            return base
        rows = routing.choice.nonzero(as_tuple=True)[0]
        values = self._values[routing.choice[rows] - 1]  # (R, d)
        output = base.clone()
        output[rows] = self._replaced(base[rows], values[:, None].to(base), None if last is None else last[rows])
        return output

    def _replaced(self, base: Tensor, value: Tensor, last: Tensor | None) -> Tensor:
        """`base` (R, L, d) with `value`, which broadcasts to it, at the replaced tokens; `last` (R,) ends prompts."""
        if self.config.replacement == "replace_all":
            return value.expand_as(base)
        positions = torch.arange(base.shape[1], device=base.device)
        before = self.config.replacement == "replace_prompt"
        end = cast(Tensor, last)[:, None]  # `output` asks for nothing else without it
        here = positions <= end if before else positions == end  # (R, L)
        return torch.where(here[..., None], value, base)

    def holder(self, record_id: str) -> int:
        """See `Editor.holder`: the key that the edit was taught."""
        owners = dict(zip((record.id for record in self.edits), self._owners, strict=False))
        return owners.get(record_id, 0)

    def measured(self) -> dict[str, float]:
        """The first deferral radius in the units of the keys."""
        return {"first_radius": self._first_radius.item()}

    def extra_parameters(self) -> int:
        """Keys, values and radii."""
        return self._keys.numel() + self._values.numel() + self._radii.numel()

    def _learn(self, record: EditRecord) -> EditOutcome:
        frozen = self.rows(record, self.config.context_prefixes)
        query = frozen.query()[:1]  # (1, f) of the prompt as it is
        radii, index = self._place(query, record.target, self._key_of(record.prompt))
        new = index == len(self._keys)
        keys = torch.cat([self._keys, query]) if new else self._moved(index, query)
        known = not new and self._labels[index] == record.target
        start = self._values[index] if known else self._first_value(frozen)
        value, outcome = self._fit(start, frozen, record)
        if new:
            self._values = torch.cat([self._values, value[None]])
            self._labels = [*self._labels, record.target]
        else:
            values = self._values.clone()
            values[index] = value
            self._values = values
            self._labels = [*self._labels[:index], record.target, *self._labels[index + 1 :]]
        self._keys, self._radii = keys, radii
        self._owners = (*self._owners, index + 1)
        return outcome

    def _moved(self, index: int, query: Tensor) -> Tensor:
        """The keys after an edit that key number `index` covers."""
        keys = self._keys.clone()
        if self.config.expand == "moving_average":
            keys[index] = (keys[index] + query[0]) / 2
        return keys

    def _key_of(self, prompt: str) -> int | None:
        """The key that was made for that prompt, if there is one."""
        made_for = {owner: record.prompt for owner, record in reversed([*zip(self._owners, self.edits, strict=False)])}
        return next((owner - 1 for owner, text in made_for.items() if text == prompt), None)

    def _place(self, query: Tensor, label: str, own: int | None = None) -> tuple[Tensor, int]:
        """Radii (n or n + 1,) after the codebook's rule, and which key this edit trains.

        Beyond all radii by more than the first radius: a new key. Near a key of the same label: that
        key, its radius widened to cover the query with a margin. Near a key of another label: a new key, both radii
        reduced to half of the distance. That would leave a prompt that is edited again with two keys in one place that
        answer nothing: its `own` key takes the new label, and is as wide as a new one at most.
        """
        first = self._first_radius.to(self._radii)[None]
        if not len(self._keys):
            return first, 0
        distance, nearest = _distances(query, self._keys)[0].min(0)
        radii = self._radii.clone()
        if distance > self._first_radius + radii[nearest]:
            return torch.cat([radii, first]), len(radii)
        if self._labels[nearest] == label:
            radii[nearest] = torch.maximum(radii[nearest], COVER * distance)
            return radii, int(nearest)
        if own is not None:
            radii[own] = torch.minimum(radii[own], first[0])
            return radii, own
        radii[nearest] = distance / 2 - 1e-5
        return torch.cat([radii, distance[None] / 2]), len(radii)

    def _first_value(self, frozen: FrozenStates) -> Tensor:
        """Where a new value starts, (d,)."""
        if self.config.warm:
            return frozen.output[0, frozen.batch.start[0] - 1]
        draw = generator(self.seed, "value", len(self.edits))
        return torch.rand(frozen.output.shape[-1], generator=draw, device=draw.device).to(frozen.output)

    def _fit(self, start: Tensor, frozen: FrozenStates, record: EditRecord) -> tuple[Tensor, EditOutcome]:
        """Train one value (d,) with Adam on the edit loss, all else frozen."""
        value = trainable(start)
        last = frozen.batch.start - 1  # (B,)

        config = self.config
        since = last if config.replacement == "replace_last" else None  # else tokens in front of it are replaced too

        def loss() -> Tensor:
            output = self._replaced(frozen.output, value.to(frozen.output), last)  # (B, L, d)
            return edit_loss(self.tail, frozen, output, since=since)

        outcome = minimise(loss, adam([value], config.lr), config.steps, config.stop_loss, record)
        return value.detach().to(start.dtype), outcome

    def _forget(self) -> None:
        width, features = self.site.weight.shape
        self._keys = self.site.weight.new_empty(0, features)
        self._values = self.site.weight.new_empty(0, width)
        self._radii = _wide(self.site.weight.new_empty(0))
        self._labels: list[str] = []
        self._owners: tuple[int, ...] = ()
        """The key of each edit, counted from 1."""

    def memory(self) -> dict[str, Tensor]:
        labels = bytearray(b"\0".join(text.encode() for text in self._labels))
        return {
            "keys": self._keys,
            "values": self._values,
            "radii": self._radii,
            "first_radius": self._first_radius,
            "owners": torch.tensor(self._owners, dtype=torch.int64),
            "labels": torch.frombuffer(labels, dtype=torch.uint8) if labels else torch.empty(0, dtype=torch.uint8),
        }

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        return {
            "keys": Part("n f"),
            "values": Part("n d"),
            "radii": Part("n"),
            "first_radius": Part(),
            "owners": Part("T", "int", least=1, below="n+1", optional=True),
            "labels": Part("m", "int", below="256"),
        }

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        self._keys, self._values, self._radii = memory["keys"], memory["values"], memory["radii"]
        self._first_radius = memory["first_radius"].cpu()
        self._owners = tuple(memory["owners"].tolist()) if "owners" in memory else ()  # older memories have none
        text = bytes(memory["labels"].tolist()).decode()
        self._labels = text.split("\0") if len(self._keys) else []
        if len(self._labels) != len(self._keys):
            raise DataError(f"the tensor 'labels' holds {len(self._labels)} texts, for {len(self._keys)} keys")


def _distances(queries: Tensor, keys: Tensor) -> Tensor:
    """Euclidean, (B, f) to (n, f) -> (B, n); not by way of a product, which rounds an edit away from its own key."""
    return torch.cdist(_wide(queries), _wide(keys), compute_mode="donot_use_mm_for_euclid_dist")


def _wide(vectors: Tensor) -> Tensor:
    """The same at least in float32: there are no distances of half precision."""
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))
