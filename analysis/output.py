"""Writing artifacts: the suffix decides the format, files are written atomically and hold no date."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from analysis.inputs import Inputs
from analysis.style import RC, WIDTH
from analysis.text import booktabs
from wise.errors import ConfigError, NothingToShow
from wise.files import atomic_path, write_text

LOG = logging.getLogger(__name__)
Made = TypeVar("Made")
FIGURE_SUFFIXES = (".pdf", ".png")
TABLE_SUFFIXES = (".csv", ".md", ".tex")
METADATA = {".pdf": {"CreationDate": None, "Creator": None, "Producer": None}, ".png": {"Software": None}}


@dataclass(frozen=True)
class Table:
    """A table in its three forms; where `latex` is empty it is made from the Markdown."""

    frame: pd.DataFrame
    markdown: str
    latex: str = ""


def write(module: ModuleType, inputs: Inputs, paths: Sequence[Path]) -> None:
    """Write every path from the module's `table(inputs)` or `figure(inputs)`, each made at most once.

    Raises `ConfigError` before anything is made when a suffix is not one that this artifact has. Where the runs have
    nothing of what it shows, as when no editor routes, the files say so.
    """
    can = (TABLE_SUFFIXES if hasattr(module, "table") else ()) + (FIGURE_SUFFIXES if hasattr(module, "figure") else ())
    for path in paths:
        if path.suffix not in can:
            raise ConfigError(f"{path}: this artifact is written as {', '.join(can)}")
    tables = [path for path in paths if path.suffix in TABLE_SUFFIXES]
    figures = [path for path in paths if path.suffix in FIGURE_SUFFIXES]
    if tables:
        table = _or_reason(module.table, inputs, _empty_table)
        for path in tables:
            write_table(table, path)
    if figures:
        with matplotlib.rc_context(cast(dict[Any, Any], RC)):
            made = _or_reason(module.figure, inputs, _empty_figure)
            for path in figures:
                with atomic_path(path) as temporary:
                    made.savefig(temporary, metadata=METADATA[path.suffix])


def _or_reason(make: Callable[[Inputs], Made], inputs: Inputs, instead: Callable[[str], Made]) -> Made:
    """What `make` makes, or what stands in its place with the reason why there is nothing to show."""
    try:
        return make(inputs)
    except NothingToShow as error:
        LOG.warning("%s", error)
        return instead(str(error))


def _empty_table(reason: str) -> Table:
    return Table(pd.DataFrame({"note": [reason]}), f"{reason}\n", f"% {reason}\n")


def _empty_figure(reason: str) -> Figure:
    made = Figure(figsize=(WIDTH, 0.6))
    made.text(0.5, 0.5, reason, ha="center", va="center")
    return made


def write_table(table: Table, path: Path) -> None:
    """Write one form of a table; numbers in CSV have six significant digits."""
    if path.suffix == ".csv":
        write_text(path, table.frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    elif path.suffix == ".md":
        write_text(path, table.markdown)
    elif table.latex or table.markdown:
        write_text(path, table.latex or booktabs(table.markdown))
    else:
        raise ConfigError(f"{path}: this table has no LaTeX form")
