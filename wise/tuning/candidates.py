"""From a point of an editor's space to its options, and the options that every search tries first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from wise.editors.own_units import OPEN, Measures, open_options, unit_of
from wise.editors.space import Among, Choice, space
from wise.options import build_options
from wise.tuning.outcome import Origin

LAYER = "layer"
"""The edited layer, which is searched like an option where a search is given several."""

DIGITS = 3
"""Significant digits of a number that a search chooses: it is tried as it is written down."""


@dataclass(frozen=True)
class Candidate:
    """Options to try, and the coordinates of those that lie in the space: what the sampler learns from."""

    origin: Origin
    options: Mapping[str, Any]
    point: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidates:
    """The options of an editor with config class `kind` that a search may choose from.

    `fixed` are those that the configuration sets, which are not searched; `layers` are searched where there are
    several. `measures(layer)` tells the model's own units at a layer.
    """

    kind: type
    fixed: Mapping[str, Any]
    layers: Sequence[int]
    measures: Callable[[int], Measures]

    @property
    def space(self) -> dict[str, Choice]:
        """What is searched: the declared space without what is fixed, and the layer."""
        layers: dict[str, Choice] = {LAYER: Among(tuple(self.layers))} if len(self.layers) > 1 else {}
        return layers | {name: choice for name, choice in space(self.kind).items() if name not in self.fixed}

    def options(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Options at a point of the space, numbers in the model's own units turned into plain ones."""
        layer = point.get(LAYER, self.layers[0])
        chosen = {name: self._plain(name, value, layer) for name, value in point.items()}
        return {**chosen, **self.fixed}

    def first(self) -> list[Candidate]:
        """The editor's defaults and, where it has some that differ, the published options."""
        preset = getattr(self.kind, "published", None)
        made = [self._default("defaults", {})]
        if preset is not None and (values := preset()):
            made.append(self._default("published", values))
        return made

    def _default(self, origin: Origin, preset: Mapping[str, Any]) -> Candidate:
        """What holds under `preset` in place of the defaults, and where in the space that is."""
        layer = self.layers[0]
        config = build_options(self.kind, {**preset, **self.fixed}, "options")
        there = {f.name: getattr(config, f.name) for f in fields(self.kind)}
        owns, published = open_options(self.kind), "published" in preset.values()
        point: dict[str, Any] = {LAYER: layer} if LAYER in self.space else {}
        for name, choice in self.space.items():
            if name == LAYER:
                continue
            value = there[name]
            if value is OPEN and name in owns:
                own = owns[name]
                value = own.published / unit_of(own, self.measures(layer)) if published else own.factor
            elif name in owns:
                value = value / unit_of(owns[name], self.measures(layer))
            if choice.holds(value):
                point[name] = value
        # Defaults are written out, so that what is committed stays when a default changes.
        options = {LAYER: layer, **preset, **self.fixed} if preset else self.options(point)
        return Candidate(origin, {name: options[name] for name in options if name != LAYER or LAYER in point}, point)

    def _plain(self, name: str, value: Any, layer: int) -> Any:
        """One option of a point as it is written in a configuration."""
        owns = open_options(self.kind)
        if name in owns:
            value = value * unit_of(owns[name], self.measures(layer))
        return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
