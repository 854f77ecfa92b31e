"""A claim's test on editing areas: whether one network sets tasks further apart than another."""

from __future__ import annotations

from analysis.claims.on_cost import Measured
from analysis.claims.statement import OnAreas
from analysis.inputs import Inputs
from analysis.tasks.areas import further_apart, panels
from wise.errors import NothingToShow


def on_areas(test: OnAreas, inputs: Inputs, place: tuple[str, str]) -> Measured:
    """The difference of both silhouettes. Raises `NothingToShow` with the reason where there are no such networks."""
    if not inputs.area_paths or place != inputs.place:
        raise NothingToShow("made by snakemake areas, on the dataset and model of the studies")
    groups = {group.name: group for panel in panels(inputs) if panel.title == test.panel for group in panel.groups}
    missing = [name for name in (test.group, test.against) if name not in groups]
    if missing:
        raise NothingToShow(f"the panel '{test.panel}' has no group {' and '.join(map(repr, missing))}")
    own = groups[test.group]
    return Measured(*further_apart(own, groups[test.against]), len(own.tasks), 1)
