"""Each WISE editor against each other editor on the same edits, at every T, with Holm-corrected p-values."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.style import editor_style, in_order
from analysis.task_type import by_setting, comparable
from analysis.text import markdown, number
from wise.editors.entries import WISE
from wise.evaluate.statistics import generator_for, holm, paired_comparison

LEVEL = 0.05
COLUMNS = ["dataset", "model", "T", "metric", "editor", "other", "difference", "low", "high", "p", "p_holm", "pairs",
           "seeds"]  # fmt: skip


def table(inputs: Inputs) -> Table:
    """One row per comparison; the correction is over all rows of a dataset and model."""
    scores = inputs.scores()
    compared = compare_all(scores)
    return Table(compared, to_markdown(compared, scores))


def compare_all(scores: pd.DataFrame) -> pd.DataFrame:
    """Columns `COLUMNS`; the metric is that of the dataset's setting, and a positive difference is better for `editor`.

    Pairs are the edits (seed, record) that both editors were scored on at that T. NLLs are cut at the log of 100, as
    perplexities are.
    """
    parts = [_compare(rows, setting.compared) for _, setting, rows in by_setting(scores)]
    return pd.concat(parts, ignore_index=True)


def to_markdown(compared: pd.DataFrame, scores: pd.DataFrame) -> str:
    """The same rows for reading; bold where the corrected p-value is below 0.05."""
    parts = []
    for title, setting, rows in by_setting(scores):
        place = rows[["dataset", "model"]].iloc[0]
        group = compared[(compared[["dataset", "model"]] == place).all(axis=1)]
        lines = []
        for row in group.itertuples(index=False):
            text = f"{row.difference:+.3f}"
            lines.append([
                editor_style(row.editor).label, editor_style(row.other).label, str(row.T),
                f"**{text}**" if row.p_holm < LEVEL else text,
                f"[{row.low:+.3f}, {row.high:+.3f}]", number(row.p_holm, 4), str(row.pairs),
            ])  # fmt: skip
        intro = (
            f"Difference of {setting.compared_in_words()} on the same edits, with its 95% bootstrap interval over "
            "seeds and edits; above zero is better for the first editor. p-values are Holm-corrected over the "
            f"{len(group)} comparisons, bold: below {LEVEL}.\n"
        )
        header = ["Editor", "Against", "T", "Difference", "95% interval", "p (Holm)", "Edits"]
        parts += [f"## {title}\n", intro, markdown(header, lines, left=2)]
    return "\n".join(parts)


def _compare(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Comparisons of one dataset and model."""
    rows = []
    for (dataset, model, count), group in comparable(scores, metric).groupby(["dataset", "model", "T"], sort=True):
        wide = group.pivot(index=["seed", "record"], columns="editor", values="value")
        for editor, other in _pairs(in_order(wide.columns)):
            both = (wide[editor] - wide[other]).dropna()
            if both.empty:
                continue
            per_seed = [part.to_numpy() for _, part in both.groupby(level="seed")]
            found = paired_comparison(per_seed, generator_for(dataset, model, count, editor, other))
            rows.append((dataset, model, count, metric, editor, other, found.difference, found.low, found.high, found.p,
                         np.nan, found.pairs, found.seeds))  # fmt: skip
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.assign(p_holm=holm(frame["p"].to_numpy(dtype=float)))


def _pairs(editors: list[str]) -> list[tuple[str, str]]:
    """Every WISE editor with every other editor; two WISE editors meet once."""
    family = [name for name in editors if editor_style(name).family == WISE]
    others = [name for name in editors if name not in family]
    within = [(second, first) for i, first in enumerate(family) for second in family[i + 1 :]]
    return [(editor, other) for editor in family for other in others] + within
