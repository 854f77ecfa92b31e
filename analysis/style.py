"""How figures look: sizes for print, and one colour, marker and line for each editor, everywhere.

The colours of the editors in the default run are Okabe and Ito's, which colour-blind readers tell apart; the
others take shades between them, and markers and lines differ where shades are close.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

WIDTH = 7.2  # inches: the text width of a two-column page

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
    "savefig.dpi": 300,
}


@dataclass(frozen=True)
class EditorStyle:
    """Label, colour, marker and line of one editor."""

    label: str
    colour: str
    marker: str
    line: str = "-"


EDITORS: dict[str, EditorStyle] = {
    "none": EditorStyle("Unedited", "#7F7F7F", "x", ":"),
    "ft-l": EditorStyle("FT-L", "#E69F00", "v"),
    "ft-m": EditorStyle("FT-M", "#A6761D", "^", "--"),
    "ft-ewc": EditorStyle("FT-EWC", "#F6C971", "<", "-."),
    "locft-bf": EditorStyle("LocFT-BF", "#7A4B00", ">", "-."),
    "rome": EditorStyle("ROME", "#CC79A7", "p", "--"),
    "memit": EditorStyle("MEMIT", "#882255", "h"),
    "memit-mass": EditorStyle("MEMIT-MASS", "#F2A7D0", "H", "-."),
    "alphaedit": EditorStyle("AlphaEdit", "#5E3C99", "8", "--"),
    "ultraedit": EditorStyle("UltraEdit", "#9F86D9", "X", "-."),
    "mend": EditorStyle("MEND", "#999933", "P", "--"),
    "serac": EditorStyle("SERAC", "#4D4D00", "d", "-."),
    "defer": EditorStyle("DEFER", "#66C2A5", "D", "--"),
    "grace": EditorStyle("GRACE", "#009E73", "s"),
    "memoir": EditorStyle("MEMOIR", "#00441B", "*", "-."),
    "retrieval": EditorStyle("Retrieval", "#56B4E9", "1", "--"),
    "wise-merge": EditorStyle("WISE-Merge", "#0072B2", "o"),
    "wise-retrieve": EditorStyle("WISE-Retrieve", "#D55E00", "D"),
}
"""Every known editor, in the order of tables and legends."""

_FALLBACK_COLOURS = ("#000000", "#B2182B", "#4393C3", "#35978F", "#762A83", "#BF812D", "#F4A582", "#276419")
_FALLBACK_MARKERS = ("o", "s", "^", "v", "D", "P", "X", "*")

METRIC_COLOURS = {"rel": "#4477AA", "gen": "#66CCEE", "loc_far": "#228833", "loc_near": "#CCBB44", "avg": "#AA3377"}

QUERY_STYLES: dict[str, tuple[str, str]] = {
    "edit": ("edit", "#332288"),
    "paraphrase": ("paraphrase", "#44AA99"),
    "locality_near": ("near irrelevant", "#DDAA33"),
    "locality_far": ("far irrelevant", "#CC6677"),
}
"""Label and colour of each kind of query in figures of routing."""


def editor_style(name: str) -> EditorStyle:
    """The style of an editor; one that is not registered gets one that depends on its name alone."""
    if name in EDITORS:
        return EDITORS[name]
    digest = hashlib.sha256(name.encode()).digest()
    colour = _FALLBACK_COLOURS[digest[0] % len(_FALLBACK_COLOURS)]
    return EditorStyle(name, colour, _FALLBACK_MARKERS[digest[1] % len(_FALLBACK_MARKERS)], "--")


def in_order(editors: Iterable[str]) -> list[str]:
    """Distinct editors in the order of `EDITORS`, unregistered ones last by name."""
    rank = {name: index for index, name in enumerate(EDITORS)}
    return sorted(set(editors), key=lambda name: (rank.get(name, len(rank)), name))


def setting_title(dataset: str, model: str) -> str:
    """How a dataset and model are named above a figure or table."""
    return f"{dataset}, {model}"


def settings(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Title and rows of each (dataset, model) in `frame`."""
    return [(setting_title(*key), rows) for key, rows in frame.groupby(["dataset", "model"], sort=True)]
