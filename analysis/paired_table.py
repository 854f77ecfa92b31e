"""Each WISE editor against each other editor on the same edits, at every T, with Holm-corrected p-values."""

from __future__ import annotations

import pandas as pd

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.paired import compare, described
from analysis.sampled import intervals
from analysis.style import editor_style, in_order
from analysis.task_type import by_setting, comparable
from analysis.text import markdown, number
from wise.editors.entries import WISE
from wise.evaluate.statistics import ALPHA

PLACE = ["dataset", "model", "T", "metric", "editor", "other"]


def table(inputs: Inputs) -> Table:
    """One row per comparison; the correction is over all rows of a dataset and model."""
    scores = inputs.scores()
    compared = compare_all(scores)
    return Table(compared, to_markdown(compared, scores))


def compare_all(scores: pd.DataFrame) -> pd.DataFrame:
    """Columns `PLACE` and `COMPARED`; the metric is that of the dataset's setting; above zero is better for `editor`.

    Pairs are the edits (seed, record) that both editors were scored on at that T. NLLs are cut at the log of 100, as
    perplexities are."""
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
                f"**{text}**" if row.p_holm < ALPHA else text,
                f"[{row.low:+.3f}, {row.high:+.3f}]", number(row.p_holm, 4), number(row.detectable, 3), str(row.pairs),
                str(row.seeds),
            ])  # fmt: skip
        intro = (
            f"Difference of {setting.compared_in_words()} on the same edits; above zero is better for the first "
            f"editor. {intervals(group)} p-values are Holm-corrected over the {len(group)} comparisons, bold: below "
            f"{ALPHA}. Detectable: the true difference that would have been found so with a chance of 80%.\n"
        )
        header = ["Editor", "Against", "T", "Difference", "95% interval", "p (Holm)", "Detectable", "Pairs", "Seeds"]
        parts += [f"## {title}\n", intro, markdown(header, lines, left=2)]
    return "\n".join(parts)


def _compare(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Comparisons of one dataset and model."""
    places, found = [], []
    for (dataset, model, count), group in comparable(scores, metric).groupby(["dataset", "model", "T"], sort=True):
        for editor, other in _pairs(in_order(group["editor"])):
            comparison = compare(group[group["editor"] == editor], group[group["editor"] == other], metric)
            if comparison is not None:
                places.append((dataset, model, count, metric, editor, other))
                found.append(comparison)
    return pd.DataFrame(places, columns=PLACE).join(described(found))


def _pairs(editors: list[str]) -> list[tuple[str, str]]:
    """Every WISE editor with every other editor; two WISE editors meet once."""
    family = [name for name in editors if editor_style(name).family == WISE]
    others = [name for name in editors if name not in family]
    within = [(second, first) for i, first in enumerate(family) for second in family[i + 1 :]]
    return [(editor, other) for editor in family for other in others] + within
