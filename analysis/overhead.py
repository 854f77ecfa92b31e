"""What an editor costs (paper, Figures 6 and 13): parameters, memory, seconds an edit, inference time against T."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from analysis.axes import band, editor_handles, edits_axis
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.style import WIDTH, editor_style, families, in_order
from analysis.text import markdown, number

MIB = 2**20
LINES = {
    "operations_ratio": ("operations", "ratio to the unedited model", 1.0),
    "extra_parameters_ratio": ("extra parameters", "% of the model's", 100.0),
    "memory_ratio": ("memory of the edits", "% of the model's weights", 100.0),
}
"""Title, unit and factor of each column shown against T."""
BARS = {
    "peak_memory_bytes": ("peak memory", "MiB", 1 / MIB),
    "edit_seconds": ("time of an edit", "seconds", 1.0),
}
"""The same of each column shown as bars."""
PUBLISHED = (
    "Published, of Llama-2-7B: WISE-Merge adds .64% parameters and 4% GPU memory whatever T is (WISE, Figure 13); it "
    "answers in 3% more time, WISE-Retrieve in 7% more at T=3000 (Figure 6). One matrix is a larger share of a smaller "
    "model."
)


def table(inputs: Inputs) -> Table:
    """The measured rows, and Markdown that names the hardware."""
    document = inputs.overhead()
    rows = _rows(document)
    return Table(rows, to_markdown(rows, document.get("hardware", {})))


def figure(inputs: Inputs) -> Figure:
    """Read the measurements and draw them."""
    return draw(_rows(inputs.overhead()))


def draw(rows: pd.DataFrame) -> Figure:
    """Inference time against T by family, then operations, parameters and memory, and bars at the largest T."""
    last = rows[rows["T"] == rows["T"].max()].set_index("editor")
    heights = [2.6, 2.0, 0.8 + 0.17 * len(last)]
    made = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    upper, middle, lower = cast(Sequence[SubFigure], made.subfigures(3, 1, height_ratios=heights))
    _inference(upper, rows)
    for axes, (column, (title, unit, factor)) in zip(middle.subplots(1, len(LINES)), LINES.items(), strict=True):
        for editor in in_order(rows["editor"]):
            line, style = rows[rows["editor"] == editor], editor_style(editor)
            axes.plot(line["T"], factor * line[column], color=style.colour, marker=style.marker, linestyle=style.line)
        edits_axis(axes, rows["T"].unique())
        axes.set_title(title, fontsize=8)
        axes.set_ylabel(unit, fontsize=7)
    grid = lower.subplots(1, len(BARS), sharey=True)
    for axes, (column, (title, unit, factor)) in zip(grid, BARS.items(), strict=True):
        _bars(axes, last[column].astype(float) * factor)
        axes.set_title(f"{title}, T={rows['T'].max():,}", fontsize=8)
        axes.set_xlabel(unit)
    return made


def to_markdown(rows: pd.DataFrame, hardware: dict[str, Any]) -> str:
    """One row per editor and T."""
    named = ", ".join(f"{key} {value}" for key, value in hardware.items())
    lines = [
        [
            editor_style(row["editor"]).label, str(row["T"]), f"{row['extra_parameters']:,}",
            f"{number(100 * row['extra_parameters_ratio'])}%", number(row["memory_bytes"] / MIB),
            f"{number(100 * row['memory_ratio'])}%",
            number(row["peak_memory_bytes"] / MIB, 0), number(row["edit_seconds"], 3),
            f"{number(row['inference_ratio'], 3)} [{number(row['inference_ratio_low'], 3)}, "
            f"{number(row['inference_ratio_high'], 3)}]" + ("" if row["inference_precise"] else " (time ran out)"),
            str(row["inference_pairs"]), number(row["operations_ratio"], 3),
        ]
        for row in rows.to_dict("records")
    ]  # fmt: skip
    header = ["Editor", "T", "Extra parameters", "of the model", "Memory of edits, MiB", "of the model",
              "Peak, MiB", "Seconds an edit", "Inference time, ratio to the unedited model [95%]", "Pairs",
              "Operations, ratio"]  # fmt: skip
    note = (
        "Each question is asked of the edited and the unedited model in turn until the 95% interval of the median "
        "ratio of their times is narrow enough, or the time is over. Operations are those of matrix products, counted."
    )
    place = f"Measured on: {named}. " if named else ""
    return f"{place}{note}\n\n{PUBLISHED}\n\n{markdown(header, lines)}"


def _rows(document: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame(document["rows"])
    frame["peak_memory_bytes"] = frame["peak_memory_bytes"].astype(float)  # None where the system does not tell
    order = {name: index for index, name in enumerate(in_order(frame["editor"]))}
    return frame.sort_values(
        ["editor", "T"], key=lambda column: column.map(order) if column.name == "editor" else column, ignore_index=True
    )


def _inference(strip: SubFigure, rows: pd.DataFrame) -> None:
    """A panel for each family, with its legend below; few editors share one."""
    panels = families(rows["editor"])
    grid = strip.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (family, editors) in zip(grid, panels, strict=True):
        for editor in editors:
            line = rows[rows["editor"] == editor]
            band(axes, line["T"], line["inference_ratio"], line["inference_ratio_low"], line["inference_ratio_high"],
                 editor_style(editor))  # fmt: skip
        axes.axhline(1.0, color="#999999", linewidth=0.8, linestyle=":")
        edits_axis(axes, rows["T"].unique())
        axes.set_xlabel("")
        axes.set_title(family, fontsize=8)
        axes.legend(handles=editor_handles(editors), loc="upper center", bbox_to_anchor=(0.5, -0.24), fontsize=7,
                    ncols=1 if family else len(editors), handlelength=2.6)  # fmt: skip
    grid[0].set_ylabel("ratio")
    strip.suptitle("inference time against the number of edits, ratio to the unedited model", fontsize=9)


def _bars(axes: Axes, values: pd.Series) -> None:
    """Horizontal bars, first editor on top, each with its value; a missing value has no bar."""
    editors = in_order(values.index)[::-1]
    heights = values.loc[editors].to_numpy()
    axes.barh(editors, np.nan_to_num(heights), color=[editor_style(name).colour for name in editors], height=0.65)
    top = float(np.nanmax(heights)) if np.isfinite(heights).any() else 1.0
    for index, value in enumerate(heights):
        text = "unknown" if np.isnan(value) else f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
        axes.text(max(0.0, np.nan_to_num(value)) + 0.02 * top, index, text, va="center", fontsize=7)
    axes.set_xlim(0, (top or 1.0) * 1.25)
    axes.set_yticks(range(len(editors)), [editor_style(name).label for name in editors])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(visible=False, axis="y")
