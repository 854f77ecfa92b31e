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
    line: str = "-"
    family: str = "Other editors"


UNEDITED = "Unedited"
FINE_TUNING = "Fine-tuning"
REWRITING = "Rewriting weights"
TRAINED = "Trained to edit"
MEMORIES = "Memories"
WISE = "WISE"

EDITORS: dict[str, EditorStyle] = {
    "none": EditorStyle("Unedited", "#7F7F7F", "x", ":", UNEDITED),
    "ft-l": EditorStyle("FT-L", "#E69F00", "v", "-", FINE_TUNING),
    "ft-m": EditorStyle("FT-M", "#A6761D", "^", "--", FINE_TUNING),
    "ft-ewc": EditorStyle("FT-EWC", "#F6C971", "<", "-.", FINE_TUNING),
    "locft-bf": EditorStyle("LocFT-BF", "#7A4B00", ">", "-.", FINE_TUNING),
    "rome": EditorStyle("ROME", "#CC79A7", "p", "--", REWRITING),
    "memit": EditorStyle("MEMIT", "#882255", "h", "-", REWRITING),
    "memit-mass": EditorStyle("MEMIT-MASS", "#F2A7D0", "H", "-.", REWRITING),
    "alphaedit": EditorStyle("AlphaEdit", "#5E3C99", "8", "--", REWRITING),
    "ultraedit": EditorStyle("UltraEdit", "#9F86D9", "X", "-.", REWRITING),
    "mend": EditorStyle("MEND", "#999933", "P", "--", TRAINED),
    "serac": EditorStyle("SERAC", "#4D4D00", "d", "-.", TRAINED),
    "defer": EditorStyle("DEFER", "#66C2A5", "D", "--", MEMORIES),
    "grace": EditorStyle("GRACE", "#009E73", "s", "-", MEMORIES),
    "memoir": EditorStyle("MEMOIR", "#00441B", "*", "-.", MEMORIES),
    "retrieval": EditorStyle("Retrieval", "#56B4E9", "^", "--", MEMORIES),
    "wise-merge": EditorStyle("WISE-Merge", "#0072B2", "o", "-", WISE),
    "wise-retrieve": EditorStyle("WISE-Retrieve", "#D55E00", "D", "-", WISE),
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
