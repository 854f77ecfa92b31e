"""Each WISE editor against each other editor on the same edits, at every T, with Holm-corrected p-values."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.style import editor_style, in_order, settings
from analysis.text import markdown, number
from wise.evaluate.statistics import generator_for, holm, paired_comparison

METRIC = "avg"
FAMILY = "wise-"
"""Editors whose names begin so are compared with all others."""
LEVEL = 0.05


def table(inputs: Inputs) -> Table:
    """One row per comparison; the correction is over all rows of the table."""
    compared = compare_all(inputs.scores())
    return Table(compared, to_markdown(compared))


def compare_all(scores: pd.DataFrame, metric: str = METRIC) -> pd.DataFrame:
    """Columns dataset, model, T, editor, other, difference, low, high, p, p_holm, pairs, seeds.

    Pairs are the edits (seed, record) that both editors were scored on at that T.
    """
    rows = []
    wanted = scores[scores["metric"] == metric]
    for (dataset, model, count), group in wanted.groupby(["dataset", "model", "T"], sort=True):
        wide = group.pivot(index=["seed", "record"], columns="editor", values="value")
        for editor, other in _pairs(in_order(wide.columns)):
            both = (wide[editor] - wide[other]).dropna()
            if both.empty:
                continue
            per_seed = [part.to_numpy() for _, part in both.groupby(level="seed")]
            found = paired_comparison(per_seed, generator_for(dataset, model, count, editor, other))
            rows.append((dataset, model, count, editor, other, found.difference, found.low, found.high, found.p, np.nan,
                         found.pairs, found.seeds))  # fmt: skip
    columns = ["dataset", "model", "T", "editor", "other", "difference", "low", "high", "p", "p_holm", "pairs", "seeds"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(p_holm=holm(frame["p"].to_numpy(dtype=float)))


def to_markdown(compared: pd.DataFrame) -> str:
    """The same rows for reading; bold where the corrected p-value is below 0.05."""
    parts = [
        f"Difference of {METRIC} (mean of rel, gen and loc_far) on the same edits, with its 95% bootstrap interval "
        f"over seeds and edits; p-values are Holm-corrected over the {len(compared)} comparisons, "
        f"bold: below {LEVEL}.\n"
    ]
    for title, group in settings(compared):
        rows = []
        for row in group.itertuples(index=False):
            text = f"{row.difference:+.3f}"
            rows.append([
                editor_style(row.editor).label, editor_style(row.other).label, str(row.T),
                f"**{text}**" if row.p_holm < LEVEL else text,
                f"[{row.low:+.3f}, {row.high:+.3f}]", number(row.p_holm, 4), str(row.pairs),
            ])  # fmt: skip
        header = ["Editor", "Against", "T", "Difference", "95% interval", "p (Holm)", "Edits"]
        parts += [f"## {title}\n", markdown(header, rows, left=2)]
    return "\n".join(parts)


def _pairs(editors: list[str]) -> list[tuple[str, str]]:
    """Every WISE editor with every other editor; two WISE editors meet once."""
    family = [name for name in editors if name.startswith(FAMILY)]
    others = [name for name in editors if name not in family]
    within = [(second, first) for i, first in enumerate(family) for second in family[i + 1 :]]
    return [(editor, other) for editor in family for other in others] + within
