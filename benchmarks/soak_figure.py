"""The figure of a soak: seconds an edit and memory against T, and memory while questions are asked.

    python benchmarks/soak_figure.py benchmarks/results/soak.json

writes `soak.pdf` and `soak.png` beside it, and prints what the growth of the process is explained by.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.output import METADATA
from analysis.style import RC, WIDTH, editor_style

MIB = 2**20
WARM = 1000
"""Questions behind which memory is settled."""

Marks = list[dict[str, Any]]


def draw(editors: dict[str, Marks]) -> Figure:
    """Three panels: time, growth with edits, growth with questions."""
    made = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    seconds, edits, questions = made.subplots(1, 3)
    for editor, marks in editors.items():
        style = editor_style(editor)
        look = {"color": style.colour, "label": style.label}
        learned, asked = of("edit", marks), of("ask", marks)
        _line(seconds, learned[1:], "T", [mark["cpu"] for mark in learned[1:]], **look)
        _line(edits, learned, "T", grown(learned, "trimmed"), **look)
        _line(edits, learned, "T", grown(learned, "memory"), color=style.colour, linestyle=":", linewidth=2.4)
        if asked:
            _line(questions, asked, "asked", grown(asked, "trimmed"), **look)
    _name(seconds, "edits T", "processor seconds an edit", "Time")
    _name(edits, "edits T", "growth since T = 0 (MiB)", "Memory while editing")
    _name(questions, "questions asked", "growth since the last edit (MiB)", "Memory while asking")
    edits.plot([], [], color="black", label="process")
    edits.plot([], [], color="black", linestyle=":", linewidth=2.4, label="its memory")
    for axes in (seconds, edits):
        axes.legend()
    low, high = questions.get_ylim()
    questions.set_ylim(min(-5.0, low), max(20.0, high))  # less would only show noise
    return made


def of(kind: str, marks: Marks) -> Marks:
    """The marks of one kind, in order."""
    return [mark for mark in marks if mark["kind"] == kind]


def grown(marks: Marks, what: str) -> np.ndarray:
    """MiB of each mark above the first one."""
    values = np.array([mark[what] for mark in marks])
    return (values - values[0]) / MIB


def summary(marks: Marks) -> dict[str, float]:
    """What the growth of the process is explained by, and what questions left behind (MiB)."""
    learned, asked = of("edit", marks), of("ask", marks)
    tenth = max(1, len(learned) // 10)
    settled = [mark for mark in asked if mark["asked"] >= WARM]
    behind = learned[1:]  # the first edits bring buffers and code that stay
    found = {
        "edits": learned[-1]["T"],
        "process_mib": grown(learned, "trimmed")[-1],
        "memory_mib": grown(learned, "memory")[-1],
        "process_over_memory": grown(behind, "trimmed")[-1] / grown(behind, "memory")[-1],
        "untrimmed_over_memory": grown(behind, "resident")[-1] / grown(behind, "memory")[-1],
        "cpu_s_first_tenth": float(np.mean([mark["cpu"] for mark in behind[:tenth]])),
        "cpu_s_last_tenth": float(np.mean([mark["cpu"] for mark in learned[-tenth:]])),
        "took": float(np.average([m["took"] for m in behind], weights=np.diff([m["T"] for m in learned]))),
    }
    if len(settled) > 1:
        found |= {
            "saved_mib": of("saved", marks)[0]["bytes"] / MIB,
            "questions": asked[-1]["asked"],
            "questions_mib": (settled[-1]["trimmed"] - settled[0]["trimmed"]) / MIB,
            "questions_noise_mib": float(np.std([mark["trimmed"] for mark in settled]) / MIB),
        }
    return found


def _line(axes: Axes, marks: Marks, along: str, values: Any, **look: Any) -> None:
    axes.plot([mark[along] for mark in marks], values, **look)


def _name(axes: Axes, across: str, up: str, title: str) -> None:
    axes.set(xlabel=across, ylabel=up, title=title)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))


def main() -> None:
    """Draw, and print the summary."""
    parser = argparse.ArgumentParser(description="The figure of a soak.")
    parser.add_argument("soak", type=Path, help="what benchmarks/soak.py wrote")
    args = parser.parse_args()
    editors = json.loads(args.soak.read_text())["editors"]
    with matplotlib.rc_context(RC):
        figure = draw(editors)
        for suffix in (".pdf", ".png"):
            figure.savefig(args.soak.with_suffix(suffix), metadata=METADATA[suffix])
    found = {
        editor: {key: round(value, 3) for key, value in summary(marks).items()} for editor, marks in editors.items()
    }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
