"""How figures look: sizes for print, and one colour, marker and line for each editor, everywhere.

Editors' styles stand in `wise.editors.entries`. The colours of those in the default run are Okabe and Ito's, which
colour-blind readers tell apart; the others take shades between them, and markers and lines differ where shades are
close.
"""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import count

import pandas as pd

from wise.editors.entries import EDITORS, OTHER, UNEDITED, Entry

WIDTH = 7.2  # inches: the text width of a two-column page

CROWD = 6
"""The most editors that one panel holds; more are shown family by family."""

CONTEXT = "#D4D4D4"
"""The colour of editors that belong to other panels."""

RC = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "pdf.fonttype": 42,  # fonts stay text in the PDF
    "savefig.dpi": 200,  # for the PNG; papers take the PDF
}


@dataclass(frozen=True)
class EditorStyle:
    """Label, colour, marker, line and kin of one editor; figures with many editors have a panel for each family."""

    label: str
    colour: str
    marker: str
    line: str
    family: str


_MARKERS = ("o", "s", "^", "v", "D", "P", "X", "*")

METRIC_COLOURS = {"rel": "#4477AA", "gen": "#66CCEE", "loc_far": "#228833", "loc_near": "#CCBB44", "avg": "#AA3377"}

QUERY_STYLES: dict[str, tuple[str, str]] = {
    "edit": ("edit", "#332288"),
    "paraphrase": ("paraphrase", "#44AA99"),
    "locality_near": ("near irrelevant", "#DDAA33"),
    "locality_far": ("far irrelevant", "#CC6677"),
}
"""Label and colour of each kind of query in figures of routing."""


def _style(name: str, entry: Entry, taken: Collection[str]) -> EditorStyle:
    """The style of one editor, whose colour is none of those that are `taken` unless its entry says so."""
    digest = hashlib.sha256(name.encode()).digest()
    colour = entry.colour or _free_colour(name, taken)
    return EditorStyle(
        entry.label or name, colour, entry.marker or _MARKERS[digest[0] % len(_MARKERS)], entry.line, entry.family
    )


def _free_colour(name: str, taken: Collection[str]) -> str:
    """A colour of medium lightness that follows from the name, and that nobody has."""
    for attempt in count():
        hue, lightness = hashlib.sha256(f"{name} {attempt}".encode()).digest()[:2]
        rgb = colorsys.hls_to_rgb(hue / 256, 0.3 + 0.25 * lightness / 256, 0.6)
        colour = "#" + "".join(f"{round(255 * part):02X}" for part in rgb)
        if colour not in taken:
            return colour
    raise AssertionError("there is always another attempt")


def _styles() -> dict[str, EditorStyle]:
    taken = {entry.colour for entry in EDITORS.values()}
    styles = {}
    for name, entry in EDITORS.items():
        styles[name] = _style(name, entry, taken)
        taken.add(styles[name].colour)
    return styles


STYLES = _styles()
"""The style of every known editor, in the order of tables and legends."""


def editor_style(name: str) -> EditorStyle:
    """The style of an editor; one that is not registered gets one that depends on its name alone."""
    if name in STYLES:
        return STYLES[name]
    return _style(name, Entry("", "", line="--", family=OTHER), {style.colour for style in STYLES.values()})


def in_order(editors: Iterable[str]) -> list[str]:
    """Distinct editors in the order of `EDITORS`, unregistered ones last by name."""
    rank = {name: index for index, name in enumerate(EDITORS)}
    return sorted(set(editors), key=lambda name: (rank.get(name, len(rank)), name))


def families(editors: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Family and editors of each panel: up to `CROWD` editors in one without a name, more by family.

    The unedited model is in no family, as it belongs into each panel.
    """
    ordered = in_order(editors)
    if len(ordered) <= CROWD:
        return [("", ordered)]
    found: dict[str, list[str]] = {}
    for name in ordered:
        found.setdefault(editor_style(name).family, []).append(name)
    return [(family, names) for family, names in found.items() if family != UNEDITED]


def setting_title(dataset: str, model: str) -> str:
    """How a dataset and model are named above a figure or table."""
    return f"{dataset}, {model}"


def settings(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Title and rows of each (dataset, model) in `frame`."""
    return [(setting_title(*key), rows) for key, rows in frame.groupby(["dataset", "model"], sort=True)]
