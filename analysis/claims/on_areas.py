"""A claim's test on editing areas: whether one network sets tasks further apart than another."""

from __future__ import annotations

from analysis.claims.on_cost import Measured
from analysis.claims.statement import OnAreas
from analysis.inputs import Inputs
from analysis.style import editor_style
from analysis.tasks.areas import Group, further_apart, panels
from wise.errors import NothingToShow


def on_areas(test: OnAreas, inputs: Inputs, place: tuple[str, str], editor: str) -> Measured:
    """The difference of both silhouettes. Raises `NothingToShow` with the reason where there are no such networks."""
    if not inputs.area_paths or place != inputs.place:
        raise NothingToShow("made by snakemake areas, on the dataset and model of the studies")
    groups = [group for panel in panels(inputs) if panel.title == test.panel for group in panel.groups]
    own, other = (_of_editor(name, groups, test.panel) for name in (editor, test.against))
    return Measured(*further_apart(own, other), len(own.tasks), 1)


def _of_editor(name: str, groups: list[Group], panel: str) -> Group:
    label = editor_style(name).label
    for group in groups:
        if group.name.startswith(f"{label},"):
            return group
    raise NothingToShow(f"the panel '{panel}' of snakemake areas has no network of {label}")
